"""A fitted head kept as a run: its files, and its record last; or the record of its failure."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from extract.errors import reason
from extract.features.store import FeatureFile
from extract.runtime.disk import file_sha256, write_file
from extract.runtime.machine import machine, package_versions
from pipelines.specs import HeadKey
from pipelines.specs.spec import Fields
from pipelines.tasks.features import FeatureInputs
from pipelines.training import scores
from pipelines.workspace import extractions, records
from pipelines.workspace.extractions import Extraction
from pipelines.workspace.schema import TrainingScore

if TYPE_CHECKING:
    from heads import Choice, Head
    from heads.trust.novelty import Reference

LIBRARIES = ("torch", "timm", "scikit-learn", "numpy", "h5py")
CHOICE = ("criterion", "table", "training_rows", "validation_rows", "fit_facts")  # what a record keeps of a choice


@dataclass(frozen=True)
class ValidationAnswers:
    """What a prediction needs of the validation images: `logits` float32 [M, K] of the chosen candidate, before the
    refit, `labels` int64 [M] and `ids`; and the `reference` by which an image is unlike the training images.
    `out_of_fold` are `heads.analysis.own.own_probabilities`.
    """

    logits: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    reference: "Reference"
    out_of_fold: dict[str, np.ndarray] | None


@dataclass(frozen=True)
class FittedHead:
    """A head and how it was come by; `logits` float32 [N, K], `labels` [N] and `ids` are the test split's.

    `averaged` float32 [N, K] are the means over the views, where the features have several.
    """

    head: "Head"
    choice: "Choice"
    logits: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    averaged: np.ndarray | None
    training: TrainingScore
    evaluation_seconds: float
    validation: ValidationAnswers | None = None


def keep(
    key: HeadKey, inputs: FeatureInputs, fitted: FittedHead, *, source: Extraction, peak_memory_bytes: int | None
) -> None:
    """Writes the run's files, its record last; the caller holds the lock of its folder."""
    import heads

    context, file = inputs.context, inputs.file
    folder = records.folder(context.workspace, key.run())
    heads.save(fitted.head, folder, recipe=_recipe(key, file))
    rows = {"labels": fitted.labels, "ids": fitted.ids}
    records.keep_logits(folder / records.LOGITS_NAME, fitted.logits, **rows)
    files = ["head.safetensors", "head.json", records.LOGITS_NAME]
    if fitted.averaged is not None:
        records.keep_logits(folder / records.AVERAGED_NAME, fitted.averaged, **rows)
        files.append(records.AVERAGED_NAME)
    if fitted.validation is not None:
        files += _keep_validation(folder, fitted.validation)
    record = _record(key, file=file, fitted=fitted, source=source)
    record["peak_memory_bytes"] = peak_memory_bytes
    record["hardware"]["device"], record["study"] = context.device, context.study
    record["files"] = {one: file_sha256(folder / one) for one in files}
    records.write(context.workspace, record)


def _keep_validation(folder: Path, held: ValidationAnswers) -> list[str]:
    """The names of the files in which it now stands."""
    from safetensors.numpy import save

    records.keep_logits(folder / records.VALIDATION_NAME, held.logits, labels=held.labels, ids=held.ids)
    write_file(folder / records.REFERENCE_NAME, save(held.reference.arrays()))
    if held.out_of_fold is None:
        return [records.VALIDATION_NAME, records.REFERENCE_NAME]
    write_file(folder / records.OUT_OF_FOLD_NAME, save(held.out_of_fold))
    return [records.VALIDATION_NAME, records.REFERENCE_NAME, records.OUT_OF_FOLD_NAME]


def keep_failure(key: HeadKey, inputs: FeatureInputs, error: Exception) -> None:
    """Writes the record of a fit that ended in `error`."""
    file = inputs.file
    records.failed(
        inputs.context.workspace,
        run=key.run(),
        kind="head",
        name=_name(key, file),
        key=asdict(key),
        error=reason(error),
        facts=_facts(key, file),
    )


def _name(key: HeadKey, file: FeatureFile) -> str:
    """Name of the run in tables."""
    return f"{key.head} on {file.spec['backbone']}" + (", flip views" if file.spec["views"] == "flip" else "")


def _kept(choice: Fields) -> Fields:
    """The epoch that was kept, and why; None for heads that learn in none."""
    if not choice["curves"]:
        return {"kept_epoch": None, "kept_by": None}
    chosen, last = choice["options"].get("stop_epoch"), len(choice["curves"]["running_training_loss"])
    return {"kept_epoch": chosen or last, "kept_by": choice["criterion"] if choice["table"] else "last"}


def _recipe(key: HeadKey, file: FeatureFile) -> Fields:
    """All that turns a raw image into this head's probabilities."""
    return {"features": file.spec, "content": file.content, "class_names": list(file.class_names), "key": asdict(key)}


def _facts(key: HeadKey, file: FeatureFile) -> Fields:
    """What is known of a run before it is run."""
    spec = file.spec
    return {
        "mode": "frozen",
        "architecture": spec["backbone"],
        "family": None,
        "weights": spec["weights"]["source"],
        "head": key.head,
        "dataset": spec["dataset"],
        "image_size": spec["preprocessing"]["image_size"][0],
        "seed": key.seed,
        "class_names": list(file.class_names),
        "features": {"spec": spec, "digest": file.digest, "content": file.content, "engine": file.engine},
        "hardware": asdict(machine()),
        "versions": package_versions(*LIBRARIES),
    }


def _record(key: HeadKey, *, file: FeatureFile, fitted: FittedHead, source: Extraction) -> Fields:
    import heads

    choice = fitted.choice.as_dict()
    weights = list(fitted.head.weights().values())
    extraction = extractions.shares(source.seconds, file)
    record = {
        "run": key.run(),
        "kind": "head",
        "name": _name(key, file),
        "key": asdict(key),
        **_facts(key, file),
        "chosen": choice["options"],
        "choice": {
            **{name: choice[name] for name in CHOICE},
            **_kept(choice),
            "refitted": key.validation is not None,
            "skipped": list(file.skipped_ids),
            "drawn": list(heads.space_class(key.head).drawn),
        },
        "curves": choice["curves"],
        "training": fitted.training,
        "validation": choice["validation"],
        **_scored(file, fitted, temperature=fitted.choice.temperature),
        "seconds": {
            "extraction": extraction["train"],
            "search": fitted.choice.search_seconds,
            "fit": fitted.choice.fit_seconds,
            "evaluation": fitted.evaluation_seconds + (extraction["test"] or 0.0),
        },
        "parameters": source.parameters + int(sum(array.size for array in weights)),
        "flops": source.flops + int(sum(2 * array.size for array in weights if array.ndim == 2)),
        "bytes": source.weight_bytes + int(sum(array.nbytes for array in weights)),
        "images_per_second": source.images_per_second,
        "notices": source.notices,
    }
    digest = records.images_digest(file.spec["dataset"]["digest"], fitted.ids)
    record["dataset"] = {**file.spec["dataset"], "test_images": digest}
    return record


def _scored(file: FeatureFile, fitted: FittedHead, *, temperature: float | None) -> Fields:
    classes = fitted.head.classes_
    return scores.on_test(
        fitted.logits,
        np.searchsorted(classes, fitted.labels),  # the columns of the labels
        ids=fitted.ids,
        class_names=[file.class_names[int(label)] for label in classes],
        temperature=temperature,
        averaged=fitted.averaged,
        dataset=file.spec["dataset"],
    )
