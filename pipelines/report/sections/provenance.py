"""Section on provenance: a fold for every run, unreadable records, failed runs."""

import json

from extract.runtime.formats import duration, percent, plural
from extract.runtime.typed_json import plain
from pipelines.report.page.blocks import Fold, Items, Section
from pipelines.report.page.text import clipped, interval
from pipelines.report.study.rows import Row
from pipelines.report.study.study import Study
from pipelines.workspace import naming
from pipelines.workspace.schema import PHASES, DoneRecord, FailedRecord

OWN = ("key", "chosen", "choice", "hardware", "versions", "files")
LONGEST = 6000  # characters of the spec and what was chosen


def section(study: Study) -> Section:
    """A fold for every run, in the order of the table."""
    folds = [_fold(row, result) for row in study.rows for result in row.results]
    return Section(
        "provenance",
        "How each number was obtained",
        "Hyperparameters, epochs and heads are chosen on a validation part of the training split. The test split is "
        "scored once, after that; where this page then picks the best of several runs on it, it says so.",
        folds,
    )


def problems(study: Study) -> Section:
    """Failed runs and everything that was left out."""
    items = ([_failure(record) for record in study.failed], list(dict.fromkeys(study.problems)))
    failed, unread = plural(len(study.failed), "failed run"), plural(len(set(study.problems)), "problem")
    return Section(
        "problems", "Problems", f"{failed}; {unread} in reading the workspace.", [Items(some) for some in items if some]
    )


def _failure(record: FailedRecord) -> str:
    return f"{record.name} (run {record.run}) failed: {record.error or 'no reason was kept'}"


def _fold(row: Row, result: DoneRecord) -> Fold:
    title = f"{row.number}. {row.name}, seed {result.seed}"
    kept = {name: value for name in OWN if (value := getattr(result, name))}
    code = json.dumps(plain(kept), indent=1, ensure_ascii=False)
    if len(code) > LONGEST:
        code = code[:LONGEST] + "\n… (the rest is in the record)"
    return Fold(title, _facts(result), code, anchor=f"run-{result.run}")


def _facts(result: DoneRecord) -> list[tuple[str, str]]:
    dataset, test = result.dataset, result.test
    facts = [
        ("run", result.run),
        ("created", result.created),
        ("what", f"{naming.MODES[result.mode]}, {result.architecture}, weights {result.weights}"),
        ("data", f"{dataset.name}, {test.rows:,} test images"),
        *_trained_on(result),
        ("data digest", (dataset.digest or "not kept")[:16]),
        ("test accuracy", f"{percent(test.accuracy)}, 95 % interval {interval(test.interval, 2)}"),
    ]
    if result.validation is not None:
        held = result.validation
        facts.append(("validation accuracy", f"{percent(held.accuracy)} of {held.rows:,} images"))
    if (clean := result.test_without_near_copies) is not None:
        shown = f"{percent(clean.accuracy)}, 95 % interval {interval(clean.interval, 2)}, {clean.rows:,} test images"
        facts.append(("without near-copies", shown))
    if result.test_tta is not None:
        facts.append(("with test-time augmentation", percent(result.test_tta.accuracy)))
    if result.temperature is not None:
        facts.append(("temperature", f"{result.temperature:.3f}, fitted on validation images"))
    known = [(phase, result.seconds.get(phase)) for phase in PHASES]
    spent = [f"{phase} {duration(seconds)}" for phase, seconds in known if seconds is not None]
    facts += [("time", ", ".join(spent))] if spent else []
    facts += machine(result)
    return facts


def _trained_on(result: DoneRecord) -> list[tuple[str, str]]:
    """The images that moved weights, and those that were held back while something was chosen."""
    choice = result.choice
    fate = "trained on as well once the choice was made" if choice.refitted else "not trained on"
    validation = f"{choice.validation_rows:,} images, {fate}" if choice.validation_rows else "none: nothing was chosen"
    facts = [("trained on", f"{choice.training_rows:,} images"), ("validation", validation)]
    if result.search and choice.trials:
        found = f"the best of {plural(choice.trials, 'trial')} by validation accuracy (search {result.search})"
        facts.append(("options", found))
    return facts


def machine(record: DoneRecord) -> list[tuple[str, str]]:
    facts, hardware = [], record.hardware or {}
    shown = [str(hardware[name]) for name in ("processor", "gpu", "device") if hardware.get(name)]
    shown += [f"{hardware['core_count']} cores"] if hardware.get("core_count") else []
    if shown:
        facts.append(("hardware", clipped(", ".join(shown), 200)))
    if record.versions is not None:
        versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
        facts.append(("versions", clipped(versions, 400)))
    return facts
