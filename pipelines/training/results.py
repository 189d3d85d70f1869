"""What a trained network leaves: its files, and the record that tells all about it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import heads
from extract.backbones.cost import cost, weight_bytes
from extract.features.store import locked
from extract.runtime.disk import write_file
from extract.runtime.machine import machine, package_versions
from finetune.architectures import networks
from finetune.training.loop import Fitted
from pipelines.specs import NetworkKey
from pipelines.specs.network import suited_recipe
from pipelines.training import network_io, processes, scores
from pipelines.training.build import Form
from pipelines.training.head_init import Headed
from pipelines.workspace import records, stored
from pipelines.workspace.answer_shapes import TrainedNetwork
from pipelines.workspace.record import TrainingScore

LIBRARIES = ("torch", "timm", "torchvision", "scikit-learn", "numpy")
HISTORY_NAME = "history.jsonl"


@dataclass(frozen=True)
class Result:
    """A network and how good it is. `chosen` was trained without the validation split, `final` is what is kept.

    `validation_split` are (logits, labels) of the validation images by `chosen`, None without. `logits` float32 [N, K],
    `labels` int64 [N] and `ids` are the test split's in file order, `averaged` its logits over several views. `headed`
    are the heads that the trainings began with, in order; none where they began without. `dataset` is the data set's
    name, `notices` what people should know of how it was read. `reading_seconds` are the training split's,
    `validation_seconds` those of all scores of `chosen` on validation images, `evaluation_seconds` the test split's,
    read and scored.
    """

    dataset: str
    notices: tuple[str, ...]
    how: Form
    chosen: Fitted
    final: Fitted
    training: TrainingScore
    training_rows: int
    validation_split: tuple[np.ndarray, np.ndarray] | None
    logits: np.ndarray
    averaged: np.ndarray | None
    labels: np.ndarray
    ids: tuple[str, ...]
    skipped: tuple[str, ...]
    headed: tuple[Headed, ...]
    reading_seconds: float
    validation_seconds: float
    evaluation_seconds: float


def name(key: NetworkKey, *, dataset: str) -> str:
    """What tables call the run: the network with the options that were given, how it began, the recipe and what of it
    is not its own. Not the seed nor the size of the data: reports put runs together that differ in those alone.
    """
    shown = [
        networks.current_name(key.network),
        *(_worded(option, value) for option, value in sorted(key.architecture.items())),
    ]
    shown.append("from scratch" if key.mode == "scratch" else f"fine-tuned {key.mode}")
    if key.recipe is None:
        return " ".join(shown)
    own = suited_recipe(key.recipe, dataset=dataset, image_size=key.image_size).as_dict()
    # "auto" has become this machine's precision in the key, where it cannot be told from one that was given
    given = [option for option in own if option in key.recipe_options and option != "precision"]
    other = {option: value for option in given if (value := key.recipe_options[option]) != own[option]}
    return f"{' '.join(shown)} ({', '.join([key.recipe, *map(_worded, other, other.values())])})"


def _worded(option: str, value: Any) -> str:
    words = option.replace("_", " ")
    if option == "epochs":
        return f"{value} epoch" if value == 1 else f"{value} epochs"
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"


def keep(
    key: NetworkKey, result: Result, *, peak_memory_bytes: int | None, device: str, workspace: Path
) -> dict[str, Any]:
    """Writes the run's files, its record last, and returns the record."""
    folder = records.folder(workspace, key.run())
    with locked(folder):
        sidecar = network_io.Sidecar(
            networks.current_name(key.network),
            result.how.architecture,
            result.how.class_names,
            result.how.preprocessing,
            key.as_dict(),
        )
        network_io.keep(result.final.network, folder, sidecar=sidecar)
        rows = {"labels": result.labels, "ids": result.ids}
        records.keep_logits(folder / records.LOGITS_NAME, result.logits, **rows)
        names = [network_io.WEIGHTS_NAME, network_io.SIDECAR_NAME, records.LOGITS_NAME, HISTORY_NAME]
        if result.averaged is not None:
            records.keep_logits(folder / records.AVERAGED_NAME, result.averaged, **rows)
            names.append(records.AVERAGED_NAME)
        lines = "".join(json.dumps(stored.finite(row)) + "\n" for row in result.chosen.history)
        write_file(folder / HISTORY_NAME, lines.encode())
        hardware = {**asdict(machine()), "device": device}
        record = _record(key, result) | {"peak_memory_bytes": peak_memory_bytes, "hardware": hardware}
        record["files"] = {one: records.sha256(folder / one) for one in names}
        records.write(workspace, record)
    return record


def facts(key: NetworkKey, *, dataset: str, class_names: tuple[str, ...]) -> dict[str, Any]:
    """What is known of a run before it is run."""
    return {
        "mode": "scratch" if key.mode == "scratch" else "frozen" if key.mode == "frozen" else "finetuned",
        "architecture": networks.current_name(key.network),
        "family": networks.family(key.network),
        "weights": "file" if key.weights == "run" else key.weights,
        "head": "logistic" if key.mode == "frozen" else None,
        "dataset": key.described_data(dataset),
        "seed": key.seed,
        "class_names": list(class_names),
        "hardware": asdict(machine()),
        "versions": package_versions(*LIBRARIES),
    }


def short(record: dict[str, Any]) -> TrainedNetwork:
    """What the cache keeps of a record: the answer of `pipeline train`, and how to check the rest."""
    return TrainedNetwork(
        run=record["run"],
        files=record["files"],
        name=record["name"],
        network=record["architecture"],
        mode=record["key"]["mode"],
        chosen=record["chosen"],
        parameters=record["parameters"],
        flops=record["flops"],
        bytes=record["bytes"],
        image_size=record["image_size"],
        epochs_run=record["choice"]["epochs_run"],
        best_epoch=record["choice"]["best_epoch"],
        training_rows=record["choice"]["training_rows"],
        validation_rows=record["choice"]["validation_rows"],
        skipped=record["choice"]["skipped"],
        **records.headline(record),
        tta=record["key"]["recipe_options"]["tta"],
        train_seconds=record["seconds"]["fit"],
        evaluation_seconds=record["seconds"]["evaluation"],
        images_per_second=record["images_per_second"],
        peak_memory_bytes=record["peak_memory_bytes"],
    )


def _record(key: NetworkKey, result: Result) -> dict[str, Any]:
    chosen, final, size = result.chosen, result.final, result.how.preprocessing.image_size
    record = {
        "run": key.run(),
        "kind": "network",
        "name": name(key, dataset=result.dataset),
        "key": key.as_dict(),
        **facts(key, dataset=result.dataset, class_names=result.how.class_names),
        "notices": list(result.notices),
        "image_size": size[0],
        "preprocessing": result.how.preprocessing.as_dict(),
        "chosen": {"recipe": key.recipe, **key.recipe_options, **result.how.architecture},
        "choice": _choice(key, result),
        "curves": chosen.curves,
        "training": result.training,
        "validation": None,
        "seconds": _seconds(result),
        "parameters": sum(one.numel() for one in final.network.parameters()),
        "bytes": weight_bytes(final.network),
        "flops": cost(final.network, image_size=(size[0], size[1])).flops,
        "images_per_second": final.images_per_second,
        "processes": processes.count(),
    }
    record["dataset"]["test_images"] = records.images_digest(key.dataset_digest, result.ids)
    if result.validation_split is not None:
        record["validation"] = heads.scores(*result.validation_split).as_dict()
    return record | scores.on_test(
        result.logits,
        result.labels,
        ids=result.ids,
        class_names=result.how.class_names,
        temperature=None if result.validation_split is None else heads.fit_temperature(*result.validation_split),
        averaged=result.averaged,
    )


def _choice(key: NetworkKey, result: Result) -> dict[str, Any]:
    """What was chosen on validation images, and on how many: nothing, where a recipe has a fixed length.

    Without any for the network, the head that it began with was chosen on some, and fitted to these as well.
    """
    validation_rows, refitted, criterion = 0, key.refit, "given"
    if result.validation_split is not None:
        validation_rows = len(result.validation_split[1])
        criterion = "given" if key.recipe_options.get("patience") is None else "accuracy"
    elif result.headed:
        validation_rows, refitted, criterion = result.headed[-1].validation_rows, True, "log_loss"
    return {
        "criterion": criterion,
        "kept_epoch": result.chosen.best_epoch or None,
        "kept_by": None if not result.chosen.history else "accuracy" if criterion == "accuracy" else "last",
        "epochs_run": result.chosen.epochs_run,
        "best_epoch": result.chosen.best_epoch,
        "drawn": _drawn(key),
        "refitted": refitted,
        "training_rows": result.training_rows,
        "validation_rows": validation_rows,
        "engine": result.final.engine,
        "skipped": list(result.skipped),
    }


def _drawn(key: NetworkKey) -> list[str]:
    """What the seed draws of a training, beside the validation images."""
    if key.mode == "frozen":
        return []
    kept_head = key.mode == "head-first" or key.weights == "run"
    start = "initial weights" if key.mode == "scratch" else "initial classifier"
    return [*([] if kept_head else [start]), "order and augmentation of the images"]


def _seconds(result: Result) -> dict[str, float | None]:
    """The phases by the clock of `report.results.Result.cost_seconds`, and `total`, their sum.

    `fit` is reading the training images and the kept network's training with the fit of the head it began with;
    `search` what was chosen before. Scoring validation images belongs to the training that it judged. `extraction`,
    where there is a head, is of the features it was fitted on. Phases hold what every process spent that worked on
    this run.
    """
    chosen, final, begun = result.chosen, result.final, result.headed
    judged = chosen.train_seconds + result.validation_seconds
    search, fit = (0.0, judged) if final is chosen else (judged, final.train_seconds)
    if final.epochs_run or not (begun and begun[-1].file):  # else only the extraction's reading was needed
        fit += result.reading_seconds
    seconds: dict[str, float | None] = {"search": search, "fit": fit, "evaluation": result.evaluation_seconds}
    if begun:
        seconds["extraction"] = _extraction_seconds(begun)
        seconds["search"] = search + sum(one.search for one in begun) + sum(one.fit for one in begun[:-1])
        seconds["fit"] = fit + begun[-1].fit
    return records.with_total(seconds)


def _extraction_seconds(headed: tuple[Headed, ...]) -> float | None:
    """Of all features that the heads were fitted on, each file once; None where it is not known of one."""
    each = {one.file or index: one.extraction for index, one in enumerate(headed)}
    known = [seconds for seconds in each.values() if seconds is not None]
    return sum(known) if len(known) == len(each) else None
