"""What was explored beside searches: ablations, and learning-rate range tests."""

from extract.runtime.formats import duration, listed, p_text, percent, plural, written
from pipelines.report.charts import curves, vega
from pipelines.report.page import theme
from pipelines.report.page.blocks import Cell, Column, Figure, Section, Spec, Table, numbers, words
from pipelines.report.page.text import change, clipped, points
from pipelines.report.study.study import Study
from pipelines.workspace import naming
from pipelines.workspace.explorations import NOT_SHOWN, AblationResult, AblationRow, RangeTestResult

SHOWN = 6
LABEL = 48
NAMED = ("network", "dataset", "data_dir")  # options that the base's name says
VERDICTS = {"better": theme.GREEN, "worse": theme.VERMILLION, NOT_SHOWN: theme.MUTED}


def ablations(study: Study) -> Section:
    """The ablations of the workspace, the newest first."""
    newest = enumerate(study.explored(AblationResult, most=SHOWN), start=1)
    return Section(
        "ablation",
        "Ablation",
        "One change of the base at a time, on the same validation images with the same seeds. Where a bar touches "
        "zero, these seeds and images show no difference; that is not the same as equal. No test image was scored.",
        [block for place, one in newest for block in (ablation_figure(one, place), _table(one))],
    )


def ablation_figure(found: AblationResult, place: int) -> Figure | None:
    """The differences of an ablation with their intervals, the greatest gain first; None where no change has a row."""
    values = [
        {
            "label": clipped(row.name, LABEL),
            "verdict": row.verdict,
            "difference": 100 * row.difference,
            "low": 100 * row.interval[0],
            "high": 100 * row.interval[1],
            "shown": change(row.difference, row.interval, 2),
            "p": p_text(row.p_value),
        }
        for row in sorted(found.rows, key=lambda row: -row.difference)
    ]
    if not values:
        return None
    present = [name for name in VERDICTS if any(one["verdict"] == name for one in values)]
    shapes = dict(zip(VERDICTS, ("triangle-up", "square", "circle"), strict=True))
    look: Spec = {
        channel: vega.kinds("verdict", present, [of[name] for name in present], legend={})
        for channel, of in (("color", VERDICTS), ("shape", shapes))
    }
    tips = vega.tip(("label", "Change"), ("shown", "Points"), ("p", "p"), ("verdict", "Verdict"))
    chart = vega.ranges(
        values, "difference", title="difference of validation accuracy, points", tips=tips, zero=True, look=look
    )
    return Figure(f"ablation-{place}", f"{clipped(found.name)}: differences from the base", _caption(found), chart)


def setting(found: AblationResult) -> str:
    """The base and what was compared, in two lines of a slide; the options of the base are not in it."""
    return (
        f"Base: {clipped(found.base)}, validation accuracy {percent(found.accuracy)}, mean over "
        f"{plural(len(found.seeds), 'seed')} with {plural(found.validation_rows, 'image')} each. "
        f"95 % intervals over seeds and images, corrected for {plural(len(found.rows), 'change')} by Holm."
    )


def _caption(found: AblationResult) -> str:
    seeds = listed([str(seed) for seed in found.seeds])
    said = {name: value for name, value in found.options.items() if name not in NAMED}
    options = f" Options of the base: {clipped(written(said, 4), 300)}." if said else ""
    return f"{setting(found)}{options} Seeds: {seeds}."


def _table(found: AblationResult) -> Table[AblationRow] | None:
    columns: list[Column[AblationRow]] = [
        words("Change", lambda row: clipped(row.name, 100), stays=True),
        numbers("Validation, %", lambda row: row.accuracy, lambda value: points(value, 2)),
        Column("Difference, points", lambda row: Cell(change(row.difference, row.interval, 2), row.difference)),
        numbers("p", lambda row: row.p_value, p_text),
        words("", lambda row: row.verdict),
        words("By seed, %", lambda row: ", ".join(points(one, 2) for one in row.accuracies)),
        numbers("Time", lambda row: row.seconds, duration, "updates and validation of all seeds"),
    ]
    failed = "".join(f" Failed: {clipped(one, 200)}." for one in found.failures)
    caption = f"{clipped(found.name)}. The base has {percent(found.accuracy)}.{failed}"
    rows = sorted(found.rows, key=lambda row: -row.difference)
    return Table(caption, columns, rows, sorted_by=2) if rows else None


def range_tests(study: Study) -> Section:
    """The learning-rate range tests of the workspace, the newest first."""
    newest = enumerate(study.explored(RangeTestResult, most=SHOWN), start=1)
    return Section(
        "range-test",
        "Learning-rate range test",
        "The training loss while the learning rate rises step by step (Smith 2017). The suggested rate is where the "
        "loss falls fastest: a peak rate to begin a search with.",
        [_range_test(one, place) for place, one in newest],
    )


def _range_test(found: RangeTestResult, place: int) -> Figure:
    chart, is_cut = curves.range_test(
        found.rates, found.losses, found.suggested_learning_rate, found.recipe_learning_rate
    )
    caption = f"{clipped(found.name, 200)} on {naming.title(found.dataset)}."
    caption += f" {curves.CUT.capitalize()}." if is_cut else ""
    return Figure(f"range-test-{place}", f"Range test of {clipped(found.network)}", caption, chart)
