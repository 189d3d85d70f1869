"""Records as rows of a table: chosen, sorted, and short enough to read."""

import fnmatch
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from extract.errors import unknown
from pipelines.workspace import naming, records

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
    "subset",
    "test_subset",
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
    "test_tta_accuracy",
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
STATUSES = ("done", "failed")
EXTRACTION = ("batch_size", "layers", "pool", "precision", "storage", "views")  # options of a feature file
FILTERS = ("dataset", "mode", "head", "architecture", "status", "kind")


def rows(
    workspace: Path, *, where: Mapping[str, str], sort: str = "created", reverse: bool = False
) -> tuple[list[dict[str, Any]], list[str]]:
    """(one flat row of `COLUMNS` for every record that fits `where`, a sentence for every broken record).

    After the columns come the hyperparameters of the run, each as `option.NAME`. Rows are named by what tells them
    apart (`naming.names`), and `data` says in words what each was trained and scored on.

    `where` holds the wanted value of some of `FILTERS`, or a pattern (`fits`). Rows are sorted by the column `sort`,
    those without a value last. Raises `InvalidInputError` with the nearest names for an unknown column, and for a
    value of `where` that no record has, though there are records.
    """
    if sort not in COLUMNS:
        raise unknown("column to sort by", name=sort, known=COLUMNS)
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
        if all(fits(str(one[column]), wanted) for column, wanted in where.items())
    ]
    names = naming.names([record for _, record in fitting])
    table = [{**one, "name": name} for (one, _), name in zip(fitting, names, strict=True)]
    return _sorted(table, sort=sort, reverse=reverse), problems


def fits(value: str, pattern: str) -> bool:
    """Whether a value is `pattern`, or matches it with * and ? as in file names."""
    return value == pattern or fnmatch.fnmatchcase(value, pattern)


def joined(workspace: Path, runs: Collection[str]) -> list[dict[str, Any]]:
    """Those of the `runs` that are done, joined where only their seeds differ, the most accurate first.

    That is by mean `validation` accuracy where every run has one, else by test accuracy. `interval` is the 95 %
    interval of its mean, `seconds` the mean of what extraction, search and fit took. Each with its `runs` and
    `seeds`, what these have `drawn` beside the validation images, the mean of the test accuracy, its sample standard
    deviation (None for one run, and where nothing was drawn), its least and greatest.
    """
    from pipelines.report.study.study import assembled
    from pipelines.report.study.winners import best_first

    chosen = [one for one in records.read_all(workspace)[0] if one["run"] in runs and one["status"] == "done"]
    return [
        {
            "name": one.best.name,
            "dataset": one.best.dataset["name"],
            "subset": one.best.dataset.get("subset"),
            "data": naming.images([one.best.record]),
            **{name: one.best.record.get(name) for name in ("image_size", "weights")},
            "runs": [result.run for result in one.results],
            "seeds": [result.seed for result in one.results],
            "drawn": one.drawn,
            "validation": one.mean(result.validation and result.validation.accuracy for result in one.results),
            "interval": one.interval,
            "seconds": one.seconds("total"),
            "mean": one.accuracy,
            "deviation": one.deviation,
            "least": min(result.test.accuracy for result in one.results),
            "greatest": max(result.test.accuracy for result in one.results),
        }
        for one in best_first(assembled(workspace, chosen, []).rows)[0]
    ]


def row(record: Mapping[str, Any]) -> dict[str, Any]:
    """One record as a flat row of `COLUMNS`; None for what it lacks."""
    dataset, choice, test, seconds = (record.get(key) or {} for key in ("dataset", "choice", "test", "seconds"))
    low, high = test.get("interval") or (None, None)
    nested = {
        "dataset": dataset.get("name"),
        "subset": dataset.get("subset"),
        "test_subset": dataset.get("test_subset"),
        **{name: choice.get(name) for name in ("training_rows", "validation_rows")},
        "validation_accuracy": (record.get("validation") or {}).get("accuracy"),
        "test_accuracy": test.get("accuracy"),
        "interval_low": low,
        "interval_high": high,
        "test_tta_accuracy": (record.get("test_tta") or {}).get("accuracy"),
        "log_loss": test.get("log_loss"),
        "calibration_error": test.get("calibration_error"),
        "test_rows": test.get("rows"),
        "device": (record.get("hardware") or {}).get("device"),
        "backbone": None if record.get("mode") == "scratch" else record.get("architecture"),
        "data": naming.images([record]) if dataset else "",
        **{f"{part}_seconds": seconds.get(part) for part in ("extraction", "search", "fit", "evaluation")},
    }
    found = {column: nested[column] if column in nested else record.get(column) for column in COLUMNS}
    return {**found, **{f"option.{name}": value for name, value in hyperparameters(record).items()}}


def hyperparameters(record: Mapping[str, Any]) -> dict[str, Any]:
    """Every hyperparameter of a run by name: given and chosen, and those of its features as `extraction.NAME`."""
    key, spec = record.get("key") or {}, (record.get("features") or {}).get("spec") or {}
    extraction = {name: spec.get(name) for name in EXTRACTION if name in spec} | (spec.get("preprocessing") or {})
    given = {name: key[name] for name in ("validation", "criterion", "refit", "recipe") if name in key}
    parts = (key.get("options"), key.get("recipe_options"), key.get("architecture"), record.get("chosen"))
    for part in parts:
        given |= part if isinstance(part, Mapping) else {}
    return given | {f"extraction.{name}": value for name, value in extraction.items()}


def _sorted(table: Sequence[dict[str, Any]], *, sort: str, reverse: bool) -> list[dict[str, Any]]:
    known = [one for one in table if one[sort] is not None]
    return sorted(known, key=lambda one: one[sort], reverse=reverse) + [one for one in table if one[sort] is None]
