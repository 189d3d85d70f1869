"""Everything in one table, as a picture of accuracies with their intervals, and in pairs against the best run."""

from extract.runtime.formats import amount, bytes_amount, duration, listed, p_text, percent, plural
from finetune.analysis.published import Published
from pipelines.report.charts import vega
from pipelines.report.page.blocks import Block, Cell, Column, Figure, Section, Table, numbers, words
from pipelines.report.page.text import MISSING, change, interval, points, seeded
from pipelines.report.study.rows import Pick, Row
from pipelines.report.study.study import SHOWN, PairedTest, Study, TestSet, against_best
from pipelines.workspace import naming

PICTURED = 40
ACCURACY = 2  # column of the table
MEAN_OF_SEEDS = (
    "Accuracy on the test split with its 95 % interval (Wilson's). For several seeds: the mean, "
    "its interval over images and seeds, and the standard deviation over seeds."
)


def _hundredths(share: float) -> str:
    return points(share, 2)


def _spread(row: Row) -> Cell:
    deviation, count = row.deviation, len(row.results)
    spread = MISSING if deviation is None else _hundredths(deviation)
    return Cell(spread if count == 1 else f"{spread} ({count})", deviation)


def _mode(row: Row) -> Cell:
    mode = naming.MODES[row.best.mode]
    return Cell(mode, mode, mode=row.best.mode)


def _name(row: Row) -> Cell:
    return Cell(row.name, row.name.casefold(), row.name, link=f"run-{row.best.run}")


NUMBER: Column[Row] = numbers("#", lambda row: row.number, note="rank by accuracy; the charts use it as a label")
NAME = Column("Name", _name, numeric=False, stays=True)
SCORES: tuple[Column[Row], ...] = (
    NUMBER,
    NAME,
    numbers(
        "Accuracy, %", lambda row: row.accuracy, _hundredths, "share of the test images that are classified correctly"
    ),
    Column(
        "95 % interval",
        lambda row: Cell(interval(row.interval), row.interval[0]),
        "of the accuracy over all images of this kind, of which the test images are a sample",
    ),
)
SEEDS = Column("Seeds ±", _spread, "standard deviation over seeds, in points, and their number")
MODE = Column("Mode", _mode, "frozen backbone, fine-tuned, or trained from scratch", numeric=False)
MEASURES: tuple[Column[Row], ...] = (
    numbers("Parameters", lambda row: row.best.parameters, amount, "of the whole network, head included"),
    numbers("FLOPs", lambda row: row.best.flops, amount, "per image, two for every multiply-add"),
    numbers("Size", lambda row: row.best.bytes, bytes_amount, "of the kept weights"),
    numbers(
        "Log loss",
        lambda row: row.calibration("log_loss", scaled=False),
        "{:.3f}".format,
        "mean negative log likelihood of the probabilities as they are, in nats; lower is better",
    ),
    numbers(
        "ECE",
        lambda row: row.calibration("calibration_error", scaled=False),
        lambda error: percent(error, 1),
        "expected calibration error of the probabilities as they are; Calibration says what of it is noise",
    ),
    numbers("Trained on", lambda row: row.best.choice.training_rows, "{:,}".format, "images that moved the weights"),
    numbers(
        "Validation",
        lambda row: row.best.choice.validation_rows,
        "{:,}".format,
        "images held back while something was chosen; a refit trains on them as well",
    ),
    numbers("Extraction", lambda row: row.seconds("extraction"), duration, "features of the training images"),
    numbers("Search", lambda row: row.seconds("search"), duration, "choosing hyperparameters"),
    numbers("Fit", lambda row: row.seconds("fit"), duration, "fitting the choice"),
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


def table(study: Study) -> Table[Row]:
    """The comparison table, what is asked for first in front; a measure that nobody has a value for is left out."""
    rows, sets = study.rows, study.test_sets()
    data = {row.number: Cell(one.title, one.title, one.data) for one in sets for row in one.rows}
    trained = Column[Row]("Data", lambda row: data[row.number], "what it was trained and scored on", numeric=False)
    total: Column[Row] = numbers("Total", lambda row: row.seconds("total"), duration, "extraction, search and fit")
    seeds = [SEEDS] if any(len(row.results) > 1 for row in rows) else []
    measures = [total, *([trained] if len(sets) > 1 else []), *MEASURES]
    known = [one for one in measures if any(one.cell(row).value is not None for row in rows)]
    varied: dict[str, list[str]] = {}  # what seeds vary -> the rows that join several
    for row in rows:
        if len(row.results) > 1:
            validated = any(one.validation is not None for one in row.results)
            varied.setdefault(seeded(row.drawn, validated=validated), []).append(f"#{row.number}")
    caption = MEAN_OF_SEEDS + "".join(f" In {listed(some)}, {what}." for what, some in varied.items())
    return Table(caption, [*SCORES, *seeds, MODE, *known], rows, sorted_by=ACCURACY)


def _published(test_set: TestSet) -> Table[Published]:
    return Table(
        f"Published results on the test images of {test_set.title}, for orientation: other protocols made them, most "
        f"of which chose by the test images, and they trained on all of {naming.title(test_set.published[0].dataset)}.",
        [
            words("Published", lambda one: one.network, "network, as its source describes it"),
            numbers("Accuracy, %", lambda one: one.accuracy, _hundredths),
            numbers("Parameters", lambda one: one.parameters, amount),
            words("Chosen", lambda one: one.chosen, "which epoch or run is reported"),
            words("Source", lambda one: one.source),
        ],
        sorted(test_set.published, key=lambda one: -one.accuracy),
        sorted_by=1,
    )


def _picture(test_set: TestSet) -> Figure:
    values = [{**vega.of_row(row), "seeds": plural(len(row.results), "run")} for row in test_set.rows[:PICTURED]]
    caption = f"Test accuracy on {test_set.title} with 95 % intervals."
    if len(test_set.rows) > PICTURED:
        caption += f" The {PICTURED} most accurate of {len(test_set.rows)}."
    tips = vega.tip(("name", "Run"), ("mode", "Mode"), ("shown", "Accuracy"), ("seeds", "Mean of"))
    chart = vega.ranges(values, "accuracy", title="test accuracy, %", tips=tips)
    return test_set.figure("accuracy", "Accuracy", caption, chart)


def paired_tests(study: Study) -> Section:
    """The best rows against the very best, for every test set in which some can be paired."""
    return Section(
        "paired-tests",
        "Paired tests",
        "Each run against the best one on the same test images, image by image: much sharper than two "
        "intervals side by side. Where the bar touches zero, the test images cannot tell the two apart.",
        [_paired(test_set, *against_best(study, test_set)) for test_set in study.test_sets()],
    )


def _paired(test_set: TestSet, best: Pick, family: int, found: list[PairedTest]) -> Figure | None:
    if not found:
        return None
    values = [
        {
            **vega.of_row(one.row),
            "difference": 100 * one.paired.difference,
            "low": 100 * one.paired.interval[0],
            "high": 100 * one.paired.interval[1],
            "shown": change(one.paired.difference, one.paired.interval, 2),
            "p": p_text(one.paired.p_value),
            "alone": MISSING if one.alone is None else "{} against {}".format(*one.alone),
        }
        for one in found
    ]
    tips = vega.tip(("name", "Run"), ("shown", "Points"), ("p", "p"), ("alone", "Only it correct / only the best"))
    chart = vega.ranges(values, "difference", title="difference of accuracy, points", tips=tips, zero=True)
    known, count = {one.row.number for one in found}, len(test_set.rows) - 1
    missing = [f"#{number}" for number in sorted(row.number for row in test_set.others()) if number not in known]
    most = f" The {SHOWN} best of {count} others." if count > SHOWN else ""
    unpaired = f" Not scored on the same test images, or without logits: {listed(missing)}." if missing else ""
    caption = f"Reference: {best.rule}. {_rule(family)}{most}{unpaired}"
    return test_set.figure("paired-tests", f"Differences from {best.row.short}", caption, chart)


def _rule(family: int) -> str:
    """How the bars and p-values of a figure were come by."""
    p_value = "p (McNemar's mid-p, over seeds too where a run has several)"
    if family == 1:
        return f"Percentage points with 95 % interval, which excludes zero where {p_value} is below 0.05."
    return (
        f"Percentage points. A bar excludes zero where {p_value} is below 0.05 after Holm's correction for "
        f"{family} comparisons: each is drawn at the confidence of its step, 95 % or more."
    )
