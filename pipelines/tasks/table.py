"""Records as answers of commands, and as rows of a table: chosen, sorted, and short enough to read."""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins

from extract.errors import unknown
from pipelines.workspace import naming, records
from pipelines.workspace.schema import PHASES, SUBSETS, DoneRecord, Options, Record

if TYPE_CHECKING:
    from pipelines.workspace.cache import StageResult

COLUMNS: tuple[str, ...] = (
    "run",
    "created",
    "status",
    "kind",
    "mode",
    "name",
    "architecture",
    "weights",
    "head",
    "dataset",
    "data",
    "classes",
    *SUBSETS,
    "training_rows",
    "validation_rows",
    "test_rows",
    "image_size",
    "seed",
    "study",
    "search",
    "device",
    "backbone",
    "validation_accuracy",
    "test_accuracy",
    "interval_low",
    "interval_high",
    "test_balanced_accuracy",
    "test_macro_f1",
    "test_tta_accuracy",
    "without_near_copies_accuracy",
    "log_loss",
    "calibration_error",
    "parameters",
    "flops",
    "bytes",
    "extraction_seconds",
    "search_seconds",
    "fit_seconds",
    "evaluation_seconds",
    "error",
)
# The columns behind a heading of the table that people see, where it is another word.
HEADINGS: dict[str, tuple[str, ...]] = {
    "what": ("name",),
    "validation": ("validation_accuracy",),
    "test": ("test_accuracy",),
    "95 % interval": ("interval_low",),
    "size": ("bytes",),
    "search and fit": ("search_seconds", "fit_seconds"),
}
BALANCED = ("balanced_accuracy", "balanced_accuracy_interval", "macro_f1", "macro_f1_interval")
CALIBRATION = ("log_loss", "calibration_error", "calibration_limit")
STATUSES = ("done", "failed")
EXTRACTION = ("batch_size", "layers", "pool", "precision", "storage", "views")  # options of a feature file
FILTERS = ("dataset", "mode", "head", "architecture", "status", "kind")


def rows(
    workspace: Path, *, where: Mapping[str, str], sort: str = "created", reverse: bool = False
) -> tuple[list[Options], list[str]]:
    """(one flat row of `COLUMNS` for every record that fits `where`, a sentence for every broken record).

    After the columns come the hyperparameters of the run, each as `option.NAME`. Rows are named by what tells them
    apart (`naming.names`), and `data` says in words what each was trained and scored on.

    `where` holds the wanted value of some of `FILTERS`, or a pattern (`fits`). Rows are sorted by the column `sort`, or
    by what stands under that heading (`HEADINGS`), those without a value last. Raises `InvalidInputError` with the
    nearest names for an unknown column, and for a value of `where` that no record has, though there are records.
    """
    if sort not in (*COLUMNS, *HEADINGS):
        raise unknown("column to sort by", name=sort, known=[*COLUMNS, *HEADINGS])
    found, problems = records.read_all(workspace)
    table = [row(record) for record in found]
    for column, wanted in where.items():
        present = {str(one[column]) for one in table if one[column] is not None}
        present |= set(STATUSES) if column == "status" else set()  # none failed: no mistake to ask
        if table and not any(fits(one, wanted) for one in present):
            raise unknown(column, name=wanted, known=present)
    fitting = [
        (one, record)
        for one, record in zip(table, found, strict=True)
        if all(one[column] is not None and fits(str(one[column]), wanted) for column, wanted in where.items())
    ]
    names = naming.names([record for _, record in fitting])
    table = [{**one, "name": name} for (one, _), name in zip(fitting, names, strict=True)]
    return _sorted(table, sort=sort, reverse=reverse), problems


def fits(value: str, pattern: str) -> bool:
    """Whether a value is `pattern`, or matches it with * and ? as in file names."""
    return value == pattern or fnmatch.fnmatchcase(value, pattern)


def scores(record: DoneRecord) -> dict[str, object]:
    """The scores of a finished run, under their names in rows and in answers of commands."""
    scaled, clean = record.test_scaled, record.test_without_near_copies
    return {
        "training_accuracy": record.training.accuracy,
        "validation_accuracy": record.validation and record.validation.accuracy,
        "test_accuracy": record.test.accuracy,
        "test_interval": list(record.test.interval),
        "test_rows": record.test.rows,
        **{name: getattr(record.test, name) for name in ("top5", *CALIBRATION)},
        **{f"test_{name}": getattr(record.test, name) for name in BALANCED},
        "by_class": _by_class(record),
        "temperature": record.temperature,
        **{f"scaled_{name}": scaled and getattr(scaled, name) for name in CALIBRATION},
        "test_tta_accuracy": record.test_tta and record.test_tta.accuracy,
        "without_near_copies_accuracy": clean and clean.accuracy,
        "without_near_copies_rows": clean and clean.rows,
    }


def _by_class(record: DoneRecord) -> list[Options] | None:
    """The test scores of each class, with its name; None of a record that was made without them."""
    found = record.test.by_class
    pairs = zip(record.class_names, found or (), strict=False)
    return None if found is None else [{"class": name, **to_builtins(one)} for name, one in pairs]


def answer_of(found: "StageResult[DoneRecord]") -> Options:
    """Answer of `fit-head`, `train` and `finetune` on a run."""
    record, choice, taken = found.record, found.record.choice, found.record.seconds
    common = {
        **{name: getattr(record, name) for name in ("run", "chosen", "parameters", "flops", "bytes")},
        **scores(record),
        "evaluation_seconds": taken["evaluation"],
        "path": str(found.path),
        "cached": found.cached,
    }
    if record.kind == "head":
        table = choice.table or []
        return common | {
            "head": record.head,
            "criterion": choice.criterion,
            "converged": (choice.fit_facts or {}).get("converged"),
            "candidates": len(table),
            "rough_candidates": sum(bool(one.get("rough")) for one in table),
            "search_seconds": taken["search"],
            "fit_seconds": taken["fit"],
        }
    counts = ("epochs_run", "best_epoch", "training_rows", "validation_rows", "skipped")
    return common | {
        **{name: getattr(record, name) for name in ("name", "image_size", "images_per_second", "peak_memory_bytes")},
        **{name: getattr(choice, name) for name in counts},
        "network": record.architecture,
        "mode": record.key["mode"],
        "tta": record.key["recipe_options"]["tta"],
        "train_seconds": taken["fit"],
    }


def row(record: Record) -> Options:
    """One record as a flat row of `COLUMNS`; None for what it lacks."""
    found: Options = {column: getattr(record, column, None) for column in COLUMNS}
    dataset = record.dataset
    found |= {
        "dataset": dataset and dataset.name,
        "classes": dataset and dataset.classes,
        **{name: dataset and getattr(dataset, name) for name in SUBSETS},
        "device": (record.hardware or {}).get("device"),
        "backbone": None if record.mode == "scratch" else record.architecture,
        "data": naming.images([record]) if dataset else "",
    }
    if isinstance(record, DoneRecord):
        low, high = record.test.interval
        found |= {name: value for name, value in scores(record).items() if name in COLUMNS}
        found |= {"interval_low": low, "interval_high": high}
        found |= {name: getattr(record.choice, name) for name in ("training_rows", "validation_rows")}
        found |= {f"{phase}_seconds": record.seconds.get(phase) for phase in PHASES}
    return {**found, **{f"option.{name}": value for name, value in hyperparameters(record).items()}}


def hyperparameters(record: Record) -> Options:
    """Every hyperparameter of a run by name: given and chosen, and those of its features as `extraction.NAME`."""
    key, spec = record.key, {} if record.features is None else record.features.spec
    extraction = {name: spec.get(name) for name in EXTRACTION if name in spec} | (spec.get("preprocessing") or {})
    given = {name: key[name] for name in ("validation", "criterion", "refit", "recipe") if name in key}
    chosen = record.chosen if isinstance(record, DoneRecord) else {}
    for part in (key.get("options"), key.get("recipe_options"), key.get("architecture"), chosen):
        given |= part if isinstance(part, Mapping) else {}
    return given | {f"extraction.{name}": value for name, value in extraction.items()}


def _sorted(table: Sequence[Options], *, sort: str, reverse: bool) -> list[Options]:
    known = [one for one in table if under(one, sort) is not None]
    found = sorted(known, key=lambda one: under(one, sort), reverse=reverse)
    return found + [one for one in table if under(one, sort) is None]


def under(row: Options, heading: str) -> Any:
    """The value of a row under a heading, the sum of several columns; None for none."""
    columns = [row[one] for one in HEADINGS.get(heading, (heading,))]
    known = [one for one in columns if one is not None]
    return sum(known) if len(columns) > 1 and known else next(iter(known), None)
