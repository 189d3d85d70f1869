"""The first thing read: the best of every mode, and whether its advantage is worth its cost."""

from pipelines.report.blocks import Block, Card, Cards, Items, Section
from pipelines.report.differences import paired, shown_p
from pipelines.report.rows import Row
from pipelines.report.study import Study, TestSet
from pipelines.report.text import MODE_NAMES, clipped, duration, interval, listed, percent, plural, short_count, signed
from pipelines.report.winners import Pick


def section(study: Study) -> Section:
    """Cards of the best runs and sentences that compare them."""
    blocks: list[Block] = []
    sentences: list[str] = []
    for test_set in study.test_sets()[:4]:
        blocks.append(Cards([_card(pick, test_set) for pick in test_set.best_of_modes()]))
        sentences += _sentences(study, test_set)
    if sentences:
        blocks.append(Items(sentences))
    return Section("summary", "Summary", lead(study), blocks)


def lead(study: Study) -> str:
    """How much was compared, on what."""
    results, titles = study.results, [clipped(test_set.title) for test_set in study.test_sets()]
    if not results:
        return f"No finished run. {plural(len(study.failed), 'run')} failed."
    parts = [f"{plural(len(results), 'run')} on {listed(titles[:4])}"]
    if len(study.rows) != len(results):
        parts.append(f"{plural(len(study.rows), 'configuration')} once seeds are joined")
    if study.failed:
        parts.append(f"{plural(len(study.failed), 'run')} failed")
    return "; ".join(parts) + "."


def _card(pick: Pick, test_set: TestSet) -> Card:
    row, best = pick.row, pick.row.best
    facts = [clipped(best.name, 80), *filter(None, [pick.how]), f"95 % interval {interval(row.interval)}"]
    total = row.seconds("total")
    sizes = [] if best.parameters is None else [f"{short_count(best.parameters)} parameters"]
    sizes += [] if total is None else [f"{duration(total)} in all"]
    facts += [", ".join(sizes)] if sizes else []
    title = f"Best {MODE_NAMES[best.mode]}, {clipped(test_set.title, 40)}"
    return Card(title, percent(row.accuracy, 2), "\n".join(facts), best.mode)


def _sentences(study: Study, test_set: TestSet) -> list[str]:
    best = [pick.row for pick in test_set.best_of_modes()]
    sentences = []
    if best and best[0].best.mode == "frozen":
        sentences = [_against(study, best[0], other, test_set) for other in best[1:]]
    bargain = _bargain(test_set)
    return sentences + ([bargain] if bargain else [])


def _against(study: Study, frozen: Row, other: Row, test_set: TestSet) -> str:
    """What the best run of another mode gains over the best frozen one, for what time."""
    points = 100 * (other.accuracy - frozen.accuracy)
    change = "gains {:.1f} points over" if points >= 0 else "loses {:.1f} points against"
    subject = {"finetuned": "Fine-tuning", "scratch": "Training from scratch"}[other.best.mode]
    sentence = f"{subject} {change.format(abs(points))} the best frozen backbone on {clipped(test_set.title)}"
    comparison = paired(study, frozen.best, second=other.best)
    if comparison is not None:
        low, high = (100 * end for end in comparison.interval)
        sentence += (
            f" (best runs in pairs: {signed(100 * comparison.difference)}, "
            f"95 % interval {signed(low)} to {signed(high)}, p {shown_p(comparison.p_value)})"
        )
    return sentence + _times(frozen.seconds("total"), other.seconds("total")) + "."


def _times(frozen: float | None, other: float | None) -> str:
    if not frozen or not other:
        return ""
    if other >= frozen:
        return f", for {other / frozen:.1f} times the time ({duration(other)} against {duration(frozen)})"
    return f", in {100 * other / frozen:.0f} % of the time ({duration(other)} against {duration(frozen)})"


def _bargain(test_set: TestSet) -> str:
    """The quickest row whose interval reaches the best accuracy, where it is another than the best."""
    best = test_set.best().row
    total = best.seconds("total")
    level = [
        (seconds, row)
        for row in test_set.rows
        if row is not best and row.interval[1] >= best.accuracy and (seconds := row.seconds("total"))
    ]
    if not level or not total:
        return ""
    seconds, row = min(level, key=lambda pair: (pair[0], pair[1].number))
    if seconds >= total:
        return ""
    return (
        f"Fastest run whose interval reaches the best on {clipped(test_set.title)}: {clipped(row.best.name)}, "
        f"{percent(row.accuracy, 2)} in {duration(seconds)}. "
        f"The best, {clipped(best.best.name)}, took {duration(total)}."
    )
