"""Feature file x head -> a run: the head kept, its test logits kept, one record. What the head stage computes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from extract.errors import InvalidInputError, StorageError, reason
from extract.features.store import FeatureFile, SplitFeatures, locked
from extract.runtime.devices import Stopwatch
from extract.runtime.disk import file_sha256
from extract.runtime.machine import machine, package_versions
from extract.runtime.memory import Peak, enough_for
from heads import registry
from pipelines.specs import HeadKey, HeadSpec
from pipelines.specs.spec import Fields
from pipelines.tasks import features
from pipelines.training import scores
from pipelines.workspace import extractions, records
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction
from pipelines.workspace.record import RunName, TrainingScore

if TYPE_CHECKING:
    from heads import Choice, Head

LESS_MEMORY = "Use features of fewer images (--subset) or of a narrower backbone, or another --head"
LIBRARIES = ("torch", "timm", "scikit-learn", "numpy", "h5py")
CHOICE = ("criterion", "table", "training_rows", "validation_rows", "fit_facts")  # what a record keeps of a choice


@dataclass(frozen=True)
class FitInputs:
    """Inputs of a fit beside its key, which only digests it: the features themselves."""

    file: FeatureFile
    context: Context


@dataclass(frozen=True)
class _Fitted:
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


def compute(key: HeadKey, inputs: FitInputs) -> RunName:
    """Chooses, refits and scores a head, keeps it under `runs/<run>/`, and returns the run's name.

    A fit that fails leaves a record of the failure. What `check` refuses is refused before anything is written.
    """
    context, file, peak = inputs.context, inputs.file, Peak(inputs.context.device)
    _check_options(key.head, key.options, validation=key.validation)
    try:
        source = features.known(file, context)
        with enough_for("fitting a head", remedy=LESS_MEMORY):
            fitted = _fit(key, inputs)
    except (InvalidInputError, StorageError):
        raise
    except Exception as error:
        records.failed(
            context.workspace,
            run=key.run(),
            kind="head",
            name=name(key, file.spec),
            key=asdict(key),
            error=reason(error),
            facts=_facts(key, file),
        )
        raise
    _keep(key, inputs, fitted, source=source, peak_memory_bytes=peak.bytes())
    return key.run()


def _keep(
    key: HeadKey, inputs: FitInputs, fitted: _Fitted, *, source: Extraction, peak_memory_bytes: int | None
) -> None:
    """Writes the run's files, its record last."""
    import heads

    context, file = inputs.context, inputs.file
    folder = records.folder(context.workspace, key.run())
    with locked(folder):
        heads.save(fitted.head, folder, recipe=_recipe(key, file))
        rows = {"labels": fitted.labels, "ids": fitted.ids}
        records.keep_logits(folder / records.LOGITS_NAME, fitted.logits, **rows)
        files = ["head.safetensors", "head.json", records.LOGITS_NAME]
        if fitted.averaged is not None:
            records.keep_logits(folder / records.AVERAGED_NAME, fitted.averaged, **rows)
            files.append(records.AVERAGED_NAME)
        record = _record(key, file=file, fitted=fitted, source=source)
        record["peak_memory_bytes"] = peak_memory_bytes
        record["hardware"]["device"] = context.device
        record["files"] = {one: file_sha256(folder / one) for one in files}
        records.write(context.workspace, record)


def check(spec: HeadSpec) -> None:
    """Raises InvalidInputError for a head of an unknown kind, or with options that it has not.

    Several candidates without validation images to choose by are refused too.
    """
    _check_options(spec.head, dict(spec.options), validation=spec.validation_part())


def _check_options(kind: str, options: Fields, *, validation: float | int | None) -> None:
    space = registry.space(kind, options)
    if validation is None:
        space.single()


def check_rows(spec: HeadSpec, labels: np.ndarray) -> None:
    """Raises `InvalidInputError` where `labels` leave no validation split to choose a head by."""
    import heads

    heads.validation_split(labels, spec.validation_part(), seed=spec.seed)


def name(key: HeadKey, spec: Mapping[str, object]) -> str:
    """Name of the run in tables."""
    return f"{key.head} on {spec['backbone']}" + (", flip views" if spec["views"] == "flip" else "")


def _fit(key: HeadKey, inputs: FitInputs) -> _Fitted:
    """The chosen, refitted and scored head. The test split is read only after the head is chosen and refitted."""
    import heads

    context, file = inputs.context, inputs.file
    context.doing("fitting the head")
    train = file.read("train")
    head, choice = heads.fit_head(
        key.head,
        key.options,
        features=train.features,
        labels=train.labels,
        validation=key.validation,
        criterion=key.criterion,
        seed=key.seed,
        device=context.device,
        progress=context.fitting,
    )
    watch = Stopwatch(context.device)
    context.doing("scoring the test images")
    test = file.read("test")
    logits = head.logits(test.features[0])
    seconds = watch.seconds()
    others = [head.logits(view) for view in test.features[1:]]
    averaged = sum(others, logits) / len(test.features) if others else None
    training = _training(key, head, choice, train=train)
    return _Fitted(head, choice, logits, test.labels, test.ids, averaged, training, seconds)


def _training(key: HeadKey, head: "Head", choice: "Choice", *, train: SplitFeatures) -> TrainingScore:
    """What the head says of a sample of the images that it learned from; of those that no choice held back."""
    import heads

    rows, _ = heads.validation_split(train.labels, key.validation, seed=key.seed)
    rows = rows[heads.training_sample(len(rows))]
    kept = float(head.score(train.features[0][rows], train.labels[rows]))
    judged = choice.training_accuracy
    return TrainingScore(rows=len(rows), accuracy=kept if judged is None else judged, kept_accuracy=kept)


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


def _record(key: HeadKey, *, file: FeatureFile, fitted: _Fitted, source: Extraction) -> Fields:
    import heads

    choice = fitted.choice.as_dict()
    weights = list(fitted.head.weights().values())
    extraction = extractions.shares(source.seconds, file)
    record = {
        "run": key.run(),
        "kind": "head",
        "name": name(key, file.spec),
        "key": asdict(key),
        **_facts(key, file),
        "chosen": choice["options"],
        "choice": {
            **{name: choice[name] for name in CHOICE},
            **_kept(choice),
            "refitted": key.validation is not None,
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


def _scored(file: FeatureFile, fitted: _Fitted, *, temperature: float | None) -> Fields:
    classes = fitted.head.classes_
    return scores.on_test(
        fitted.logits,
        np.searchsorted(classes, fitted.labels),  # the columns of the labels
        ids=fitted.ids,
        class_names=[file.class_names[int(label)] for label in classes],
        temperature=temperature,
        averaged=fitted.averaged,
    )
