"""The first thing read: the best of every mode, and whether its advantage is worth its cost."""

from extract.runtime.formats import amount, duration, p_text, percent, plural
from pipelines.report.page.blocks import Card, Cards, Items, Section, Text
from pipelines.report.page.text import interval, signed
from pipelines.report.study.rows import RULE, Pick, Row
from pipelines.report.study.study import PairedTest, Study, TestSet, against
from pipelines.workspace import naming
from pipelines.workspace.schema import Mode

MARGIN = 0.005  # of accuracy: by how much a faster run may be worse than the best and still count as not worse
UNPAIRED = "not in pairs, so chance is not excluded: other test images, or no logits"
SETS = 4  # test sets, those with most rows


def section(study: Study) -> Section:
    """Cards of the best runs and sentences that compare them."""
    sets = study.test_sets()[:SETS]
    cards = [Cards([_card(pick, test_set) for pick in test_set.best_of_modes()]) for test_set in sets]
    found = [sentence for test_set in sets for sentence in sentences(study, test_set)]
    rule = Text(RULE) if len(study.rows) > 1 else None
    return Section("summary", "Summary", lead(study), [*cards, Items(found) if found else None, rule])


def lead(study: Study) -> str:
    """Lead of the page: number of runs, and their data."""
    results, data = study.results, [test_set.data for test_set in study.test_sets()]
    if not results:
        return f"No finished run. {plural(len(study.failed), 'run')} failed."
    more = f" and {plural(len(data) - SETS, 'more test set')}" if len(data) > SETS else ""
    parts = [f"{plural(len(results), 'run')} on {'; '.join(data[:SETS])}{more}"]
    if len(study.rows) != len(results):
        parts.append(f"{plural(len(study.rows), 'configuration')} once seeds are joined")
    if study.failed:
        parts.append(f"{plural(len(study.failed), 'run')} failed")
    return "; ".join(parts) + "."


def _card(pick: Pick, test_set: TestSet) -> Card:
    row, best = pick.row, pick.row.best
    seeds = f"mean of {len(row.results)} seeds" if len(row.results) > 1 else ""
    data = naming.data(row.results)
    facts = [data, row.name, *filter(None, [pick.rule, seeds]), f"95 % interval {interval(row.interval)}"]
    total = row.seconds("total")
    sizes = [] if best.parameters is None else [f"{amount(best.parameters)} parameters"]
    sizes += [] if total is None else [f"{duration(total)} in all"]
    facts += [", ".join(sizes)] if sizes else []
    title = f"Best {naming.MODES[best.mode]}, {test_set.title}"
    return Card(title, percent(row.accuracy), "\n".join(facts), best.mode)


def sentences(study: Study, test_set: TestSet) -> list[str]:
    """Sentences on the gain of fine-tuning and training over the best frozen backbone, and on the fastest good run."""
    frozen, found, family = gains(study, test_set, over="frozen")
    compared = {one.row.number: one for one in found}
    said = [
        _gain(frozen, pick.row, compared.get(pick.row.number), family, title=test_set.title)
        for pick in test_set.best_of_modes()
        if frozen is not None and pick.row is not frozen
    ]
    fastest = _fastest(study, test_set)
    return said + ([fastest] if fastest else [])


def gains(study: Study, test_set: TestSet, *, over: Mode) -> tuple[Row | None, list[PairedTest], int]:
    """(the best row of one mode, that of every other against it, for how many comparisons these are corrected)."""
    best = test_set.best_of_modes()
    reference = next((one for one in best if one.row.best.mode == over), None)
    if reference is None:
        return None, [], 0
    others = [one for one in best if one is not reference]
    family = sum(reference.tried * other.tried for other in others)
    return reference.row, against(study, reference.row, [other.row for other in others], family=family), family


def _gain(frozen: Row, other: Row, found: PairedTest | None, family: int, *, title: str) -> str:
    """What the best run of another mode gains over the best frozen one, for what time."""
    points = 100 * (other.accuracy - frozen.accuracy)
    size = signed(abs(points))[1:]
    change = f"gains {size} points over" if points > 0 else f"loses {size} points against"
    change = change if round(points, 6) else "gains nothing over"
    subject = {"finetuned": "Fine-tuning", "scratch": "Training from scratch"}[other.best.mode]
    compared = f" ({UNPAIRED})" if found is None else _compared(found, frozen, family)
    sentence = f"{subject} {change} the best frozen backbone on {title}{compared}"
    return sentence + times(frozen.seconds("total"), other.seconds("total")) + "."


def _compared(one: PairedTest, frozen: Row, family: int) -> str:
    """The comparison in pairs, with its difference where seeds on other test images are not in it."""
    middle, low, high = (signed(100 * end) for end in (one.paired.difference, *one.paired.interval))
    both = f", corrected for {family} comparisons" if family > 1 else ""
    where = same_images(one, frozen)
    pairs = f"in pairs{where} {middle}" if where else "in pairs"
    named = "interval" if both else "95 % interval"
    return f" ({pairs}, {named} {low} to {high}, p {p_text(one.paired.p_value)}{both})"


def same_images(one: PairedTest, reference: Row) -> str:
    """What stands behind a difference that is not that of the accuracies: seeds on other test images are not in it."""
    whole = signed(100 * (one.row.accuracy - reference.accuracy))
    return "" if signed(100 * one.paired.difference) == whole else " on the same test images"


def times(frozen: float | None, other: float | None) -> str:
    """How many times the time another run took, behind a comma; "" where one of them is not known."""
    if not frozen or not other:
        return ""
    if other >= frozen:
        return f", for {other / frozen:.1f} times the time ({duration(other)} against {duration(frozen)})"
    share = 100 * other / frozen
    return (
        f", in {share:{'.0f' if share >= 10 else '.2g'}} % of the time ({duration(other)} against {duration(frozen)})"
    )


def _fastest(study: Study, test_set: TestSet) -> str:
    """The fastest row that is not worse than the best by more than `MARGIN`, where one is faster than the best.

    Non-inferiority in pairs: the interval of the difference, corrected for the runs that are asked (Bonferroni), lies
    above the margin.
    """
    best = test_set.best().row
    total, on = best.seconds("total"), test_set.title
    known = [(seconds, row) for row in test_set.rows if row is not best and (seconds := row.seconds("total"))]
    faster = sorted((pair for pair in known if total and pair[0] < total), key=lambda pair: (pair[0], pair[1].number))
    count = len(against(study, best, [row for _, row in faster]))
    named = "95 % interval" if count < 2 else f"interval corrected for {count} comparisons"
    for seconds, row, one in ((*pair, one) for pair in faster for one in against(study, best, [pair[1]], family=count)):
        if one.paired.interval[0] > -MARGIN:
            middle, low, high = (signed(100 * end, 2) for end in (one.paired.difference, *one.paired.interval))
            return (
                f"Fastest run not worse than the best by more than {100 * MARGIN:g} points on {on}: "
                f"{row.name}, {percent(row.accuracy)} in {duration(seconds)} (in pairs {middle}, "
                f"{named} {low} to {high}). The best, {best.name}, took {duration(total or 0)}."
            )
    if not count:
        return ""
    return (
        f"No faster run is shown to be at most {100 * MARGIN:g} points worse than the best on {on}, {best.name}: "
        f"with {best.best.test.rows:,} test images, no {named} in pairs begins above {signed(-100 * MARGIN)}."
    )
