"""The paired comparison of runs on the same test images: differences of accuracy with interval and p-value."""

from extract.runtime.formats import listed
from heads.statistics import Paired
from pipelines.report.charts import ranges, vega
from pipelines.report.page.blocks import Figure, Section
from pipelines.report.page.text import MISSING, shown_p, signed
from pipelines.report.study.pairs import SHOWN, PairedTest, against_best
from pipelines.report.study.study import Study, TestSet
from pipelines.report.study.winners import Pick


def section(study: Study) -> Section:
    """The best rows against the very best, for every test set in which some can be paired."""
    return Section(
        "paired-tests",
        "Paired tests",
        "Each run against the best one on the same test images, image by image: much sharper than two "
        "intervals side by side. Where the bar touches zero, the test images cannot tell the two apart.",
        [_figure(test_set, *against_best(study, test_set)) for test_set in study.test_sets()],
    )


def _figure(test_set: TestSet, best: Pick, family: int, found: list[PairedTest]) -> Figure | None:
    if not found:
        return None
    values = [
        {
            **vega.of_row(one.row),
            "difference": 100 * one.paired.difference,
            "low": 100 * one.paired.interval[0],
            "high": 100 * one.paired.interval[1],
            "shown": _shown(one.paired),
            "p": shown_p(one.paired.p_value),
            "alone": MISSING if one.alone is None else "{} against {}".format(*one.alone),
        }
        for one in found
    ]
    tips = vega.tip(("name", "Run"), ("shown", "Points"), ("p", "p"), ("alone", "Only it correct / only the best"))
    chart = ranges.chart(values, "difference", title="difference of accuracy, points", tips=tips, zero=True)
    caption = f"Reference: {best.rule}. {_rule(family)}{_missing(test_set, best, found)}"
    return test_set.figure("paired-tests", f"Differences from {best.row.short}", caption, chart)


def _missing(test_set: TestSet, best: Pick, found: list[PairedTest]) -> str:
    """Which rows could not be paired; "" where all were, or where there are more than are shown."""
    known = {best.row.number, *(one.row.number for one in found)}
    missing = [f"#{row.number}" for row in test_set.rows if row.number not in known]
    if not missing or len(test_set.rows) - 1 > SHOWN:
        return ""
    return f" Not scored on the same test images, or without logits: {listed(missing)}."


def _rule(family: int) -> str:
    """How the bars and p-values of a figure were come by."""
    p_value = "p (McNemar's mid-p, over seeds too where a run has several)"
    if family == 1:
        return f"Percentage points with 95 % interval, which excludes zero where {p_value} is below 0.05."
    return (
        f"Percentage points. A bar excludes zero where {p_value} is below 0.05 after Holm's correction for "
        f"{family} comparisons: each is drawn at the confidence of its step, 95 % or more."
    )


def _shown(found: Paired) -> str:
    middle, low, high = (signed(100 * one, 2) for one in (found.difference, *found.interval))
    return f"{middle} ({low} to {high})"
