"""The comparison of everything in one table, and as a picture of accuracies with their intervals."""

from collections.abc import Callable
from dataclasses import dataclass

from pipelines.report import ranges, theme
from pipelines.report.blocks import Block, Cell, Column, Figure, Section, Table
from pipelines.report.rows import Row
from pipelines.report.study import Study, TestSet
from pipelines.report.text import MISSING, MODE_NAMES, clipped, column_unit, grouped, interval, listed, plural, seeded

COUNTS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))
BYTES = (("B", 1.0), ("kB", 1e3), ("MB", 1e6), ("GB", 1e9))
SECONDS = (("s", 1.0),)
PLAIN = (("", 1.0),)
PICTURED = 40


@dataclass(frozen=True)
class Measure:
    """A numeric column: its heading, how a row gives its value, the units it may be written in."""

    title: str
    note: str
    value: Callable[[Row], float | None]
    units: tuple[tuple[str, float], ...]


MEASURES = (
    Measure("Trained on", "images that moved the weights", lambda row: row.best.training_rows, PLAIN),
    Measure(
        "Validation",
        "images held back while something was chosen; a refit trains on them as well",
        lambda row: row.best.validation_rows,
        PLAIN,
    ),
    Measure("Parameters", "of the whole network, head included", lambda row: row.best.parameters, COUNTS),
    Measure("FLOPs", "per image, two for every multiply-add", lambda row: row.best.flops, COUNTS),
    Measure("Size", "of the kept weights", lambda row: row.best.bytes, BYTES),
    Measure("Extraction", "features of the training images", lambda row: row.seconds("extraction"), SECONDS),
    Measure("Search", "choosing hyperparameters", lambda row: row.seconds("search"), SECONDS),
    Measure("Fit", "fitting the choice", lambda row: row.seconds("fit"), SECONDS),
    Measure("Total", "extraction, search and fit", lambda row: row.seconds("total"), SECONDS),
)


def section(study: Study) -> Section:
    """The table of every row, and for every test set the picture of its accuracies."""
    blocks: list[Block] = [table(study)]
    for number, test_set in enumerate(study.test_sets(), start=1):
        if len(test_set.rows) > 1:
            blocks.append(_picture(test_set, number))
    return Section(
        "comparison",
        "Comparison",
        "Every run on one scale, most accurate first. Runs that differ only by their seed share a row. "
        "A click on a heading sorts.",
        blocks,
    )


def table(study: Study) -> Table:
    """The comparison table; a column that nobody has a value for is left out."""
    several_sets = len(study.test_sets()) > 1
    titles = {row.number: test_set.title for test_set in study.test_sets() for row in test_set.rows}
    columns, cells = _scores(study.rows)
    if several_sets:
        columns.insert(3, Column("Data", "what it was trained and scored on", numeric=False))
        for row, line in zip(study.rows, cells, strict=True):
            line.insert(3, Cell(clipped(titles[row.number], 30), titles[row.number], titles[row.number]))
    for measure in MEASURES:
        _add(measure, study.rows, columns, cells)
    caption = (
        "Accuracy on the test split with its 95 % interval (Wilson's). For several seeds: the mean, "
        "its interval over images and seeds, and the standard deviation over seeds."
    )
    caption += _seeded(study.rows)
    accuracy = next(index for index, column in enumerate(columns) if column.title.startswith("Accuracy"))
    return Table(caption, columns, cells, sorted_by=accuracy)


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
        Column("Name", numeric=False),
        Column("Mode", "frozen backbone, fine-tuned, or trained from scratch", numeric=False),
        Column("Accuracy, %", "share of the test images that are classified correctly"),
        Column("95 % interval", "of the accuracy over all images of this kind, of which the test images are a sample"),
        Column("Seeds ±", "standard deviation over seeds, in points, and their number"),
        Column("Log loss", "mean negative log likelihood, in nats; lower is better"),
        Column("ECE, %", "expected calibration error over 15 bins; lower is better"),
    ]
    cells = [_score_cells(row) for row in rows]
    if all(len(row.results) == 1 for row in rows):
        del columns[5]
        for line in cells:
            del line[5]
    return columns, cells


def _score_cells(row: Row) -> list[Cell]:
    loss, calibration = row.score("log_loss"), row.score("calibration_error")
    deviation, mode, count = row.deviation, MODE_NAMES[row.best.mode], len(row.results)
    spread = MISSING if deviation is None else f"{100 * deviation:.2f}"
    return [
        Cell(str(row.number), row.number),
        Cell(row.best.name, row.best.name.casefold(), row.best.name, link=f"run-{row.best.run}"),
        Cell(mode, mode, mode=row.best.mode),
        Cell(f"{100 * row.accuracy:.2f}", row.accuracy),
        Cell(interval(row.interval), row.interval[0]),
        Cell(spread if count == 1 else f"{spread} ({count})", deviation),
        Cell(MISSING if loss is None else f"{loss:.3f}", loss),
        Cell(MISSING if calibration is None else f"{100 * calibration:.1f}", calibration),
    ]


def _add(measure: Measure, rows: list[Row], columns: list[Column], cells: list[list[Cell]]) -> None:
    values = [measure.value(row) for row in rows]
    if all(value is None for value in values):
        return
    unit, size, digits = column_unit(values, measure.units)
    digits = min(digits, 1) if measure.units is SECONDS else digits
    columns.append(Column(f"{measure.title}, {unit}" if unit else measure.title, measure.note))
    for line, value in zip(cells, values, strict=True):
        line.append(Cell(MISSING if value is None else grouped(value / size, digits), value))


def _picture(test_set: TestSet, number: int) -> Figure:
    rows = test_set.rows[:PICTURED]
    values = [
        {
            "label": row.label,
            "name": clipped(row.best.name, 160),
            "mode": MODE_NAMES[row.best.mode],
            "accuracy": 100 * row.accuracy,
            "low": 100 * row.interval[0],
            "high": 100 * row.interval[1],
            "shown": f"{100 * row.accuracy:.2f} % ({interval(row.interval)})",
            "seeds": plural(len(row.results), "run"),
        }
        for row in rows
    ]
    left_out = len(test_set.rows) - len(rows)
    caption = f"Test accuracy on {test_set.title} with 95 % intervals." + (
        f" The {PICTURED} most accurate of {len(test_set.rows)}." if left_out else ""
    )
    tips = theme.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("seeds", "Mean of"))
    chart = ranges.chart(values, "accuracy", title="test accuracy, %", tips=tips)
    return Figure(f"accuracy-{number}", f"Accuracy on {clipped(test_set.title)}", caption, chart)
