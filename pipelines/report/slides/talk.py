"""The slides of a talk, in their order: what the records say, taken from the sections of the report."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from extract.data import datasets
from extract.runtime.formats import duration, listed, percent, plural, written
from finetune.analysis.published import Published
from pipelines.report.page.blocks import (
    Block,
    Column,
    Drawing,
    Figure,
    Gallery,
    Items,
    Section,
    Table,
    Text,
    words,
)
from pipelines.report.page.measure import cut
from pipelines.report.sections import confusion, explorations, provenance, searches, summary
from pipelines.report.slides import findings
from pipelines.report.slides.slide import Slide
from pipelines.report.study.rows import RULE, Row, best_first
from pipelines.report.study.study import Study, TestSet
from pipelines.workspace.explorations import AblationResult, SearchRange, SearchResult
from pipelines.workspace.schema import DoneRecord

ROWS = 12  # of a table
CLASS = 160.0  # points of a class's name
OPTIONS = 7  # hyperparameters of a search
RESULT_COLUMNS = ("#", "Name", "Accuracy, %", "95 % interval", "Seeds ±", "Parameters", "Total")
MODE_COLUMNS = ("Mode", *RESULT_COLUMNS[1:])


@dataclass(frozen=True)
class Material:
    """What the talk is made from: the study, the report's sections by name, and the test set with most runs."""

    study: Study
    sections: Mapping[str, Section]
    test_set: TestSet

    def blocks(self, section: str) -> list[Block]:
        """Blocks of a section of the report; none where it has none."""
        return self.sections[section].blocks if section in self.sections else []

    def figures(self, section: str, *names: str) -> list[Figure]:
        """Those of a section's figures of these names, in this order."""
        known = self.sections[section].figures() if section in self.sections else []
        return [figure for name in names for figure in known if figure.name == name]

    def notes(self, section: str, *blocks: Figure | Table | Gallery | Drawing) -> str:
        """What the report says of blocks of a section."""
        lead = self.sections[section].lead if section in self.sections else ""
        said = [f"{block.title}: {block.caption}" for block in blocks if not isinstance(block, Table)]
        return "\n".join(filter(None, [*said, *(one.caption for one in blocks if isinstance(one, Table)), lead]))

    def slide(self, section: str, title: str, *columns: Figure | Table | Gallery | Drawing, lead: str = "") -> Slide:
        """A slide with one block of a section in each column; charts and tables are of the data in its foot."""
        foot = "" if any(isinstance(one, Drawing) for one in columns) else self.test_set.data
        return Slide(title, [[one] for one in columns], self.notes(section, *columns), foot, lead)


def slides(study: Study, sections: Sequence[Section], *, title: str, made: str) -> list[Slide]:
    """The talk: a slide is left out where the workspace has nothing for it."""
    lead = summary.lead(study)
    opening = Slide(title, [[Text(lead), Text(made)]], f"{lead} Every number comes from a record.", opening=True)
    sets = study.test_sets()
    if not sets:
        return [opening]
    material = Material(study, {one.name: one for one in sections}, sets[0])
    return [opening, *(slide for make in ORDER for slide in make(material))]


def _task(material: Material) -> list[Slide]:
    """The task, the data and the protocol, as the records have them."""
    test_set, best = material.test_set, material.test_set.best()
    result = best.row.best
    names = [cut(name, size=findings.LARGE, room=CLASS) for name in confusion.names(result, len(result.class_names))]
    items = [
        f"Task: tell {len(names)} classes of images apart: {listed(names[:10])}{' …' if len(names) > 10 else ''}.",
        f"Data: {test_set.data}.",
        _chosen(test_set.results),
        f"The test images are scored once, after every choice{'' if best.validated else ' but that of the best run'}.",
        "Each accuracy has a 95 % interval; runs are compared image by image, in pairs.",
        *(f"Machine: {said}." for name, said in provenance.machine(result) if name == "hardware"),
    ]
    notes = "\n".join([summary.lead(material.study), *(RULE for _ in test_set.rows[1:2])])
    return [Slide("Task and protocol", [[Items(items)]], notes)]


def _chosen(results: Sequence[DoneRecord]) -> str:
    """What hyperparameters and epochs were chosen on, of all the results."""
    counts = sorted({one.choice.validation_rows or 0 for one in results} - {0})
    if not counts:
        return "No validation images: a fixed budget, and nothing is chosen."
    refitted = _share([bool(one.choice.refitted) for one in results])
    without = _share([not one.choice.validation_rows for one in results])
    some = f"{counts[0]:,}" + (f" to {counts[-1]:,}" if counts[1:] else "")
    return (
        f"Hyperparameters and epochs are chosen on {some} validation images, which are split off the training images"
        + ("" if refitted is None else f" and{refitted} trained on as well once the choice is made")
        + ("." if without is None else f";{without} there are none, and nothing is chosen.")
    )


def _share(holds: Sequence[bool]) -> str | None:
    """In how many runs something holds, as words between others: "" in all, None in none."""
    some = f" in {sum(holds)} of {plural(len(holds), 'run')}"
    return None if not any(holds) else "" if all(holds) else some


def _architecture(material: Material) -> list[Slide]:
    """The most accurate network: its stages on one line, and one block beside the paper's idea."""
    blocks = itertools.takewhile(lambda one: not isinstance(one, Table), material.blocks("architectures"))
    found: list[Slide] = []
    for one in (one for one in blocks if isinstance(one, Drawing)):
        if found:
            columns = [[Text(one.caption)], [one]] if one.caption else [[one]]
            found.append(Slide(one.title, columns, material.notes("architectures", one)))
        else:
            title = f"Architecture: {one.title}"
            found.append(material.slide("architectures", title, one, lead=one.caption))
    return found


def _search(material: Material) -> list[Slide]:
    """What the searches of this data looked for, in which space, what came of it and what mattered."""
    runs = {one.run for one in material.test_set.results}
    found = []
    for place, search in enumerate(searches.results(material.study), start=1):
        if search["best_run"] not in (None, *runs):
            continue
        figures = material.figures("search", f"search-progress-{place}", f"search-importance-{place}")
        items = Items([_trials(search), *_ranges(search)[:OPTIONS], *_winner(search)])
        columns: list[list[Block]] = [[items], list(figures)] if figures else [[items]]
        found.append(Slide("Search space and strategy", columns, material.notes("search", *figures)))
    tests = material.figures("range-test", "range-test-1") if not found else []
    return [*found[:2], *(material.slide("range-test", "Learning-rate range test", one) for one in tests)]


def _trials(search: SearchResult) -> str:
    states = [trial["state"] for trial in search["trials"]]
    ended = [f"{count} {words}" for state, words in (("pruned", "stopped early"), ("failed", "failed"))
             if (count := states.count(state))]  # fmt: skip
    return (
        ", ".join([f"{search['subject']}: {plural(len(states), 'trial')}", *ended, duration(search["seconds"])]) + "."
    )


def _ranges(search: SearchResult) -> list[str]:
    """Every hyperparameter with the range or the choices that it was searched in."""
    return [_range(name.replace("_", " ").replace("-", " "), one) for name, one in search.get("space", {}).items()]


def _range(words: str, entry: SearchRange | list[object]) -> str:
    if isinstance(entry, list):
        return f"{words}: {listed([written(one, 2) for one in entry])}"
    return f"{words}: {written(entry['low'], 2)} to {written(entry['high'], 2)}{', log scale' if entry['log'] else ''}"


def _winner(search: SearchResult) -> list[str]:
    best = search["best"]
    return (
        [f"Best on validation images: {percent(best['value'], 1)} with {written(best['params'], 2)}."] if best else []
    )


def _ablation(material: Material) -> list[Slide]:
    """The newest ablation: one change at a time against a base, each paired on validation images."""
    figures = material.figures("ablation", "ablation-1")
    tables = [one for one in material.blocks("ablation") if isinstance(one, Table)][: len(figures)]
    columns = ("Change", "Validation, %", "Difference, points", "")
    return [
        Slide(
            "Ablation: one change at a time",
            [[_part(one, one.items[:ROWS], columns)]],
            material.notes("ablation", *figures, one),
            lead=explorations.setting(newest),
        )
        for one, newest in zip(tables, material.study.explored(AblationResult, most=1), strict=False)
    ]


def _learning(material: Material) -> list[Slide]:
    """The curves of the best network that has any; without one, of the best head."""
    for row in sorted(best_first(material.test_set.rows)[0], key=lambda row: row.best.kind != "network"):
        figures = material.figures("learning", *(f"learning-{what}-{row.best.run}" for what in ("accuracy", "loss")))
        if figures:
            found = material.slide("learning", f"Learning curves: {findings.said(row)}", *figures)
            return [replace(found, lead=figures[0].caption)]
    return []


def _results(material: Material) -> list[Slide]:
    rows = material.test_set.rows
    found = _table(material, rows[:ROWS], RESULT_COLUMNS)
    title = "Results on the test images" + (f": the {ROWS} most accurate of {len(rows)}" if len(rows) > ROWS else "")
    return [material.slide("comparison", title, found)]


def _table(material: Material, rows: Sequence[Row], titles: Sequence[str]) -> Table:
    """The comparison table with these rows and columns; names in short."""
    found = _part(next(one for one in material.blocks("comparison") if isinstance(one, Table)), rows, titles)
    short: Column[Row] = words("Name", lambda row: row.short)
    return replace(found, columns=[short if one.title == "Name" else one for one in found.columns])


def _part(whole: Table, items: Sequence[object], titles: Sequence[str]) -> Table:
    """A table with these items, and its columns of these titles."""
    columns = [column for title in titles for column in whole.columns if column.title == title]
    return replace(whole, items=items, columns=columns)


def _tradeoffs(material: Material) -> list[Slide]:
    number = material.test_set.number
    by = {
        name: material.figures("trade-offs", f"accuracy-against-{name}-{number}")
        for name in ("parameters", "seconds", "flops")
    }
    both = [*by["seconds"], *by["flops"]]
    title = "Accuracy against " + " and ".join(
        name for name, key in (("time", "seconds"), ("FLOPs", "flops")) if by[key]
    )
    return [
        *(material.slide("trade-offs", "Accuracy against parameters", one) for one in by["parameters"]),
        *([material.slide("trade-offs", title, *both)] if both else []),
    ]


def _transfer(material: Material) -> list[Slide]:
    """The best of every mode, and what the paired tests say of them."""
    picks = material.test_set.best_of_modes()
    if len(picks) < 2:
        return []
    found = _table(material, [one.row for one in picks], MODE_COLUMNS)
    said = findings.transfer(material.study, material.test_set)
    notes = "\n".join(summary.sentences(material.study, material.test_set))
    columns: list[Block] = [found, *([Items(said)] if said else [])]
    return [Slide("Transfer against training from scratch", [columns], notes, material.test_set.data)]


def _paired(material: Material) -> list[Slide]:
    figures = material.figures("paired-tests", f"paired-tests-{material.test_set.number}")
    return [material.slide("paired-tests", one.title, one) for one in figures]


def _misclassified(material: Material) -> list[Slide]:
    """The confusion matrix of the best run, and the images that it is most confidently wrong about."""
    best = material.test_set.best().row
    title = confusion.gallery_title(material.test_set, best)
    figures = material.figures("confusion", f"confusion-{best.best.run}")
    galleries = [
        one for one in material.blocks("misclassified")
        if isinstance(one, Gallery) and one.title == title and any(picture.key for picture in one.pictures)
    ]  # fmt: skip
    both = [*figures[:1], *galleries[:1]]
    return [material.slide("misclassified", f"What is misclassified: {findings.said(best)}", *both)] if both else []


def _conclusion(material: Material) -> list[Slide]:
    said = findings.conclusion(material.study, material.test_set)
    notes = "\n".join(summary.sentences(material.study, material.test_set))
    return [Slide("Conclusion", [[Items(said)]], notes, material.test_set.data)]


def _sources(material: Material) -> list[Slide]:
    result = material.test_set.best().row.best
    data = DATA.get(datasets.published(result.dataset.name), f"Data: {result.dataset.name}.")
    items = [data, *_published(material.test_set.published), *STATISTICS, *_software(result)]
    return [Slide("Sources", [[Items(items)]], "")]


def _published(points: Sequence[Published]) -> list[str]:
    sources = dict.fromkeys(one.source for one in points)
    return [f"Published accuracies: {'; '.join(sources)}."] if sources else []


def _software(result: DoneRecord) -> list[str]:
    known = [f"{name} {version}" for name, version in (result.versions or {}).items() if version]
    return [f"Software: {', '.join(known[:6])}."] if known else []


CIFAR = "Krizhevsky, Learning multiple layers of features from tiny images, 2009."
DATA = {
    "cifar10": f"CIFAR-10: {CIFAR}",
    "cifar100": f"CIFAR-100: {CIFAR}",
    "digits": "Digits: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI 1998; as in scikit-learn.",
}
STATISTICS = (
    "Intervals of accuracies: Wilson, JASA 1927.",
    "Paired tests: McNemar's mid-p (Fagerland, Lydersen and Laake 2013); several at once: Holm 1979.",
)
ORDER: tuple[Callable[[Material], list[Slide]], ...] = (
    _task, _architecture, _search, _ablation, _learning, _results, _tradeoffs, _transfer, _paired, _misclassified,
    _conclusion, _sources,
)  # fmt: skip
