"""The comparison of everything in one table, and as a picture of accuracies with their intervals."""

from collections.abc import Callable
from dataclasses import dataclass

from extract.runtime.formats import amount, bytes_amount, duration, listed, percent, plural
from pipelines.report.charts import ranges, vega
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Section, Table
from pipelines.report.page.text import MISSING, interval, seeded
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

PICTURED = 40
ACCURACY, SEEDS = 2, 4  # columns of the table


@dataclass(frozen=True)
class Measure:
    """A numeric column: its heading, what it says, how a row gives its value, how that is written."""

    title: str
    note: str
    value: Callable[[Row], float | None]
    shown: Callable[[float], str]


TOTAL = Measure("Total", "extraction, search and fit", lambda row: row.seconds("total"), duration)
MEASURES = (
    Measure("Parameters", "of the whole network, head included", lambda row: row.best.parameters, amount),
    Measure("FLOPs", "per image, two for every multiply-add", lambda row: row.best.flops, amount),
    Measure("Size", "of the kept weights", lambda row: row.best.bytes, bytes_amount),
    Measure(
        "Log loss",
        "mean negative log likelihood of the probabilities as they are, in nats; lower is better",
        lambda row: row.calibration("log_loss", scaled=False),
        "{:.3f}".format,
    ),
    Measure(
        "ECE",
        "expected calibration error of the probabilities as they are; Calibration says what of it is noise",
        lambda row: row.calibration("calibration_error", scaled=False),
        lambda error: percent(error, 1),
    ),
    Measure("Trained on", "images that moved the weights", lambda row: row.best.training_rows, "{:,.0f}".format),
    Measure(
        "Validation",
        "images held back while something was chosen; a refit trains on them as well",
        lambda row: row.best.validation_rows,
        "{:,.0f}".format,
    ),
    Measure("Extraction", "features of the training images", lambda row: row.seconds("extraction"), duration),
    Measure("Search", "choosing hyperparameters", lambda row: row.seconds("search"), duration),
    Measure("Fit", "fitting the choice", lambda row: row.seconds("fit"), duration),
)


def section(study: Study) -> Section:
    """The table of every row, and for every test set the picture of its accuracies."""
    blocks: list[Block] = [table(study)] if study.rows else []
    for number, test_set in enumerate(study.test_sets(), start=1):
        if len(test_set.rows) > 1:
            blocks.append(_picture(test_set, number))
    return Section(
        "comparison",
        "Comparison",
        f"On {'; '.join(one.data for one in study.test_sets())}. Most accurate first; runs that differ only by their "
        "seed share a row. A click on a heading sorts.",
        blocks,
    )


def table(study: Study) -> Table:
    """The comparison table, what is asked for first in front; a column that nobody has a value for is left out."""
    columns, cells = _scores(study.rows)
    _add(TOTAL, study.rows, columns, cells)
    sets = study.test_sets()
    data = {row.number: Cell(one.title, one.title, one.data) for one in sets for row in one.rows}
    if len(sets) > 1:
        columns.append(Column("Data", "what it was trained and scored on", numeric=False))
        for row, line in zip(study.rows, cells, strict=True):
            line.append(data[row.number])
    for measure in MEASURES:
        _add(measure, study.rows, columns, cells)
    caption = (
        "Accuracy on the test split with its 95 % interval (Wilson's). For several seeds: the mean, "
        "its interval over images and seeds, and the standard deviation over seeds."
    )
    caption += _seeded(study.rows)
    return Table(caption, columns, cells, sorted_by=ACCURACY)


def _seeded(rows: list[Row]) -> str:
    """What the seeds vary in each row that joins several."""
    words: dict[str, list[str]] = {}
    for row in rows:
        if len(row.results) > 1:
            validated = any(one.validation is not None for one in row.results)
            words.setdefault(seeded(row.drawn, validated=validated), []).append(f"#{row.number}")
    return "".join(f" In {listed(numbers)}, {what}." for what, numbers in words.items())


def _scores(rows: list[Row]) -> tuple[list[Column], list[list[Cell]]]:
    columns = [
        Column("#", "rank by accuracy; the charts use it as a label"),
        Column("Name", numeric=False, stays=True),
        Column("Accuracy, %", "share of the test images that are classified correctly"),
        Column("95 % interval", "of the accuracy over all images of this kind, of which the test images are a sample"),
        Column("Seeds ±", "standard deviation over seeds, in points, and their number"),
        Column("Mode", "frozen backbone, fine-tuned, or trained from scratch", numeric=False),
    ]
    cells = [_score_cells(row) for row in rows]
    if all(len(row.results) == 1 for row in rows):
        del columns[SEEDS]
        for line in cells:
            del line[SEEDS]
    return columns, cells


def _score_cells(row: Row) -> list[Cell]:
    deviation, mode, count = row.deviation, naming.MODES[row.best.mode], len(row.results)
    spread = MISSING if deviation is None else f"{100 * deviation:.2f}"
    return [
        Cell(str(row.number), row.number),
        Cell(row.best.name, row.best.name.casefold(), row.best.name, link=f"run-{row.best.run}"),
        Cell(f"{100 * row.accuracy:.2f}", row.accuracy),
        Cell(interval(row.interval), row.interval[0]),
        Cell(spread if count == 1 else f"{spread} ({count})", deviation),
        Cell(mode, mode, mode=row.best.mode),
    ]


def _add(measure: Measure, rows: list[Row], columns: list[Column], cells: list[list[Cell]]) -> None:
    values = [measure.value(row) for row in rows]
    if all(value is None for value in values):
        return
    columns.append(Column(measure.title, measure.note))
    for line, value in zip(cells, values, strict=True):
        line.append(Cell(MISSING if value is None else measure.shown(value), value))


def _picture(test_set: TestSet, number: int) -> Figure:
    rows = test_set.rows[:PICTURED]
    values = [
        {
            **vega.of_row(row),
            "accuracy": 100 * row.accuracy,
            "low": 100 * row.interval[0],
            "high": 100 * row.interval[1],
            "shown": f"{percent(row.accuracy)} ({interval(row.interval)})",
            "seeds": plural(len(row.results), "run"),
        }
        for row in rows
    ]
    caption = f"Test accuracy on {test_set.title} with 95 % intervals."
    if len(test_set.rows) > PICTURED:
        caption += f" The {PICTURED} most accurate of {len(test_set.rows)}."
    tips = vega.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("seeds", "Mean of"))
    chart = ranges.chart(values, "accuracy", title="test accuracy, %", tips=tips)
    return Figure(f"accuracy-{number}", f"Accuracy on {test_set.title}", caption, chart, data=test_set.data)
