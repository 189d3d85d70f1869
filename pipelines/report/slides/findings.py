"""Sentences for the end of a talk: only what the records allow, and never a difference that its interval denies."""

from collections.abc import Sequence

from extract.runtime.formats import amount, duration, listed, percent
from pipelines.report.page.measure import cut
from pipelines.report.page.text import interval, signed
from pipelines.report.sections.summary import gains, same_images, times
from pipelines.report.study.diagnosis import diagnose
from pipelines.report.study.rows import Row, best_first
from pipelines.report.study.study import PairedTest, Study, TestSet, against_best
from pipelines.workspace.explorations import NOT_SHOWN

NAMED = 3  # runs that a sentence names
NOTABLE = 0.9  # share of the best run's cost below which another is called smaller or faster
LARGE, ROOM = 20.0, 560.0  # points of its letters, and of a name in it
BESTS = {
    "frozen": "best head on a frozen backbone",
    "finetuned": "best fine-tuned network",
    "scratch": "best network from scratch",
}


def conclusion(study: Study, test_set: TestSet) -> list[str]:
    """What the runs on one test set show: the best, what is told from it, what is smaller or faster, transfer."""
    pick, _, found = against_best(study, test_set)
    best = pick.row
    rule = f"{pick.rule[0].upper()}{pick.rule[1:]}: " if pick.rule else ""
    sentences = [f"{rule}{said(best)}, {percent(best.accuracy)} (95 % interval {interval(best.interval)})."]
    if len(test_set.rows) == 1:
        alone = "run" if len(best.results) == 1 else "configuration"
        sentences.append(f"One {alone}: there is nothing to compare it with.")
    elif not found:
        sentences.append("No other run can be compared in pairs: none kept logits of the same test images.")
    equal = [one.row for one in found if verdict(one) == NOT_SHOWN]
    compared = len(test_set.rows) - 1 == len(found)
    sentences += [
        *_against(best, found, equal, "others" if compared else "others that were compared"),
        *_cheaper(best, equal),
        *transfer(study, test_set),
        *_diagnosis(test_set),
    ]
    if all(len(row.results) == 1 for row in test_set.rows):
        sentences.append("One seed each: the intervals are over test images and say nothing of other seeds.")
    return sentences


def said(row: Row) -> str:
    """The row's short name, cut to what a sentence has room for."""
    return cut(row.short, size=LARGE, room=ROOM)


def verdict(one: PairedTest) -> str:
    """Whether the row is "better" or "worse" than its reference, or no difference is shown."""
    low, high = one.paired.interval
    return NOT_SHOWN if low <= 0 <= high else "better" if low > 0 else "worse"


def transfer(study: Study, test_set: TestSet) -> list[str]:
    """The best of every mode against the best network from scratch; without one, against the best frozen backbone."""
    for mode in ("scratch", "frozen"):
        reference, found, _ = gains(study, test_set, over=mode)
        if reference is not None:
            return [_gain(one, reference) for one in found]
    return []


def _gain(one: PairedTest, reference: Row) -> str:
    subject, other, word = BESTS[one.row.best.mode], BESTS[reference.best.mode], verdict(one)
    if word == NOT_SHOWN:
        return f"The {subject} against the {other}: {NOT_SHOWN} ({_points(one, reference)})."
    cost = times(reference.seconds("total"), one.row.seconds("total"))
    return f"The {subject} is {word} than the {other}: {_points(one, reference)}{cost}."


def _points(one: PairedTest, reference: Row) -> str:
    middle, low, high = (signed(100 * end) for end in (one.paired.difference, *one.paired.interval))
    return f"{middle} points{same_images(one, reference)}, interval {low} to {high}"


def _against(best: Row, found: Sequence[PairedTest], equal: Sequence[Row], others: str) -> list[str]:
    """How many `others` are told from the best, and which are not."""
    worse, better = ([one for one in found if verdict(one) == word] for word in ("worse", "better"))
    parts = [f"it is better than {len(worse)} of {len(found)} {others}"] if worse else []
    parts += [f"{NOT_SHOWN} from {_names(equal)}"] if equal else []
    sentences = [f"In pairs, {'; '.join(parts)}."] if parts else []
    return sentences + [
        f"{said(one.row)} is better on the test images ({_points(one, best)}); the validation images did not choose it."
        for one in better[:1]
    ]


def _names(rows: Sequence[Row]) -> str:
    more = [f"{len(rows) - NAMED} more"] if len(rows) > NAMED else []
    return listed([*(said(row) for row in rows[:NAMED]), *more])


def _cheaper(best: Row, equal: Sequence[Row]) -> list[str]:
    """The smallest and the fastest of the rows that are not told from the best, where they are smaller or faster."""
    small = min(equal, key=lambda row: row.best.parameters, default=best)
    known = [row for row in (best, *equal) if row.seconds("total")]
    fast = min(known, key=lambda row: row.seconds("total") or 0.0, default=best)
    sentences = []
    if small.best.parameters < NOTABLE * best.best.parameters:
        both = f"{amount(small.best.parameters)} against {amount(best.best.parameters)} parameters"
        sentences.append(f"Smallest of these, {NOT_SHOWN} from the best: {said(small)}, {both}.")
    if best in known and (fast.seconds("total") or 0.0) < NOTABLE * (best.seconds("total") or 0.0):
        both = f"{duration(fast.seconds('total'))} against {duration(best.seconds('total'))}"
        sentences.append(f"Fastest of these, {NOT_SHOWN} from the best: {said(fast)}, {both}.")
    return sentences


def _diagnosis(test_set: TestSet) -> list[str]:
    """What the curves of the best network say, where they say something."""
    networks = [row for row in test_set.rows if row.best.kind == "network"]
    found = [(row, diagnose(row.best)) for row in (best_first(networks)[0][:1] if networks else [])]
    return [f"{said(row)}: {one.sentence()}" for row, one in found if one.remark()]
