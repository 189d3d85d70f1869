"""The comparison of everything in one table, and as a picture of accuracies with their intervals."""

from collections.abc import Callable

from extract.runtime.formats import amount, bytes_amount, duration, listed, percent, plural
from finetune.analysis.published import Published
from pipelines.report.charts import ranges, vega
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Section, Table, number_cell, text_cell
from pipelines.report.page.text import MISSING, interval, seeded
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace import naming

PICTURED = 40
ACCURACY = 2  # column of the table


def _measure(title: str, note: str, value: Callable[[Row], float | None], shown: Callable[[float], str]) -> Column[Row]:
    return Column(title, lambda row: number_cell(value(row), shown), note)


def _name(row: Row) -> Cell:
    return Cell(row.name, row.name.casefold(), row.name, link=f"run-{row.best.run}")


def _spread(row: Row) -> Cell:
    deviation, count = row.deviation, len(row.results)
    spread = MISSING if deviation is None else f"{100 * deviation:.2f}"
    return Cell(spread if count == 1 else f"{spread} ({count})", deviation)


def _mode(row: Row) -> Cell:
    mode = naming.MODES[row.best.mode]
    return Cell(mode, mode, mode=row.best.mode)


SCORES: tuple[Column[Row], ...] = (
    Column("#", lambda row: number_cell(row.number), "rank by accuracy; the charts use it as a label"),
    Column("Name", _name, numeric=False, stays=True),
    _measure(
        "Accuracy, %",
        "share of the test images that are classified correctly",
        lambda row: row.accuracy,
        lambda share: f"{100 * share:.2f}",
    ),
    Column(
        "95 % interval",
        lambda row: Cell(interval(row.interval), row.interval[0]),
        "of the accuracy over all images of this kind, of which the test images are a sample",
    ),
)
SEEDS = Column("Seeds ±", _spread, "standard deviation over seeds, in points, and their number")
MODE = Column("Mode", _mode, "frozen backbone, fine-tuned, or trained from scratch", numeric=False)
TOTAL = _measure("Total", "extraction, search and fit", lambda row: row.seconds("total"), duration)
MEASURES = (
    _measure("Parameters", "of the whole network, head included", lambda row: row.best.parameters, amount),
    _measure("FLOPs", "per image, two for every multiply-add", lambda row: row.best.flops, amount),
    _measure("Size", "of the kept weights", lambda row: row.best.bytes, bytes_amount),
    _measure(
        "Log loss",
        "mean negative log likelihood of the probabilities as they are, in nats; lower is better",
        lambda row: row.calibration("log_loss", scaled=False),
        "{:.3f}".format,
    ),
    _measure(
        "ECE",
        "expected calibration error of the probabilities as they are; Calibration says what of it is noise",
        lambda row: row.calibration("calibration_error", scaled=False),
        lambda error: percent(error, 1),
    ),
    _measure(
        "Trained on", "images that moved the weights", lambda row: row.best.choice.training_rows, "{:,.0f}".format
    ),
    _measure(
        "Validation",
        "images held back while something was chosen; a refit trains on them as well",
        lambda row: row.best.choice.validation_rows,
        "{:,.0f}".format,
    ),
    _measure("Extraction", "features of the training images", lambda row: row.seconds("extraction"), duration),
    _measure("Search", "choosing hyperparameters", lambda row: row.seconds("search"), duration),
    _measure("Fit", "fitting the choice", lambda row: row.seconds("fit"), duration),
)


def section(study: Study) -> Section:
    """The table of every row, and for every test set the picture of its accuracies."""
    blocks: list[Block] = [table(study)] if study.rows else []
    for test_set in study.test_sets():
        blocks += [_picture(test_set)] if len(test_set.rows) > 1 else []
        blocks += [_published(test_set)] if test_set.published else []
    return Section(
        "comparison",
        "Comparison",
        f"On {'; '.join(one.data for one in study.test_sets())}. Most accurate first; runs that differ only by their "
        "seed share a row. A click on a heading sorts.",
        blocks,
    )


def table(study: Study) -> Table:
    """The comparison table, what is asked for first in front; a measure that nobody has a value for is left out."""
    rows, sets = study.rows, study.test_sets()
    data = {row.number: Cell(one.title, one.title, one.data) for one in sets for row in one.rows}
    trained = Column[Row]("Data", lambda row: data[row.number], "what it was trained and scored on", numeric=False)
    seeds = [SEEDS] if any(len(row.results) > 1 for row in rows) else []
    measures = [TOTAL, *([trained] if len(sets) > 1 else []), *MEASURES]
    known = [one for one in measures if any(one.cell(row).value is not None for row in rows)]
    caption = (
        "Accuracy on the test split with its 95 % interval (Wilson's). For several seeds: the mean, "
        "its interval over images and seeds, and the standard deviation over seeds."
    )
    return Table(caption + _seeded(rows), [*SCORES, *seeds, MODE, *known], rows, sorted_by=ACCURACY)


def _published(test_set: TestSet) -> Table[Published]:
    return Table(
        f"Published results on the test images of {test_set.title}, for orientation: other protocols made them, most "
        f"of which chose by the test images, and they trained on all of {naming.title(test_set.published[0].dataset)}.",
        [
            Column(
                "Published", lambda one: text_cell(one.network), "network, as its source describes it", numeric=False
            ),
            Column("Accuracy, %", lambda one: number_cell(one.accuracy, lambda share: f"{100 * share:.2f}")),
            Column("Parameters", lambda one: number_cell(one.parameters, amount)),
            Column("Chosen", lambda one: text_cell(one.chosen), "which epoch or run is reported", numeric=False),
            Column("Source", lambda one: text_cell(one.source), numeric=False),
        ],
        sorted(test_set.published, key=lambda one: -one.accuracy),
        sorted_by=1,
    )


def _seeded(rows: list[Row]) -> str:
    """What the seeds vary in each row that joins several."""
    words: dict[str, list[str]] = {}
    for row in rows:
        if len(row.results) > 1:
            validated = any(one.validation is not None for one in row.results)
            words.setdefault(seeded(row.drawn, validated=validated), []).append(f"#{row.number}")
    return "".join(f" In {listed(numbers)}, {what}." for what, numbers in words.items())


def _picture(test_set: TestSet) -> Figure:
    rows = test_set.rows[:PICTURED]
    values = [{**vega.of_row(row), "seeds": plural(len(row.results), "run")} for row in rows]
    caption = f"Test accuracy on {test_set.title} with 95 % intervals."
    if len(test_set.rows) > PICTURED:
        caption += f" The {PICTURED} most accurate of {len(test_set.rows)}."
    tips = vega.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("seeds", "Mean of"))
    chart = ranges.chart(values, "accuracy", title="test accuracy, %", tips=tips)
    return test_set.figure("accuracy", "Accuracy", caption, chart)
