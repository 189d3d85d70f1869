"""Results of a trained network: its files, and the record of its run."""

from collections.abc import Sequence
from dataclasses import asdict

import heads
from extract.backbones.cost import cost, weight_bytes
from extract.features.store import locked
from extract.runtime.disk import file_sha256
from extract.runtime.machine import machine, package_versions
from finetune.architectures import networks
from finetune.training import history
from pipelines.specs import NetworkKey
from pipelines.specs.network import suited_recipe
from pipelines.training import images, network_io, processes, scores
from pipelines.training.head_init import HeadInit
from pipelines.training.network_io import Sidecar
from pipelines.training.prepare import PreparedTraining, TrainingResult
from pipelines.workspace import rates, records, stored
from pipelines.workspace.schema import Options

LIBRARIES = ("torch", "timm", "torchvision", "scikit-learn", "numpy")


def name(key: NetworkKey, *, dataset: str) -> str:
    """The name of the run in tables: the network with the options that were given, how it began, the recipe and what
    of it is not its own. Not the seed nor the size of the data: reports put runs together that differ in those alone.
    """
    shown = [
        networks.resolve(key.network).current_name,
        *(_worded(option, value) for option, value in sorted(key.architecture.items())),
    ]
    shown.append("from scratch" if key.mode == "scratch" else f"fine-tuned {key.mode}")
    if key.recipe is None:
        return " ".join(shown)
    own = suited_recipe(key.recipe, dataset=dataset, image_size=key.image_size).as_dict()
    # "auto" has become this machine's precision in the key, where it cannot be told from one that was given
    chosen_options = [option for option in own if option in key.recipe_options and option != "precision"]
    other = {option: value for option in chosen_options if (value := key.recipe_options[option]) != own[option]}
    return f"{' '.join(shown)} ({', '.join([key.recipe, *map(_worded, other, other.values())])})"


def _worded(option: str, value: object) -> str:
    words = option.replace("_", " ")
    if option == "epochs":
        return f"{value} epoch" if value == 1 else f"{value} epochs"
    if isinstance(value, dict):
        return f"{words} of its own"
    if isinstance(value, bool):
        return words if value else f"no {words}"
    return f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}"


def keep(ready: PreparedTraining, result: TrainingResult, *, peak_memory_bytes: int | None) -> None:
    """Writes the run's files, its record last."""
    key, config, context = ready.key, ready.config, ready.context
    folder = records.folder(context.workspace, key.run())
    with locked(folder):
        chosen_options, name = dict(config.architecture.chosen_options), config.architecture.current_name
        sidecar = Sidecar(name, chosen_options, config.class_names, config.preprocessing, key.as_dict())
        network_io.keep(result.final.network, folder, sidecar=sidecar)
        rows = {"labels": result.labels, "ids": ready.data.images.splits["test"].ids}
        records.keep_logits(folder / records.LOGITS_NAME, result.logits, **rows)
        names = [network_io.WEIGHTS_NAME, network_io.SIDECAR_NAME, records.LOGITS_NAME, history.NAME]
        if result.averaged is not None:
            records.keep_logits(folder / records.AVERAGED_NAME, result.averaged, **rows)
            names.append(records.AVERAGED_NAME)
        if result.validation is not None:
            held = [ready.data.images.splits["train"].ids[row] for row in ready.validation_rows]
            logits, labels = result.validation
            records.keep_logits(folder / records.VALIDATION_NAME, logits, labels=labels, ids=held)
            names.append(records.VALIDATION_NAME)
        history.write(folder, [stored.finite(row) for row in result.chosen.history])
        files = {one: file_sha256(folder / one) for one in names}
        values = {**_record(ready, result), "peak_memory_bytes": peak_memory_bytes, "files": files}
        records.write(context.workspace, values)


def identity(key: NetworkKey, *, dataset: str) -> Options:
    """The fields by which a run is known."""
    return {"run": key.run(), "kind": "network", "name": name(key, dataset=dataset), "key": key.as_dict()}


def facts(key: NetworkKey, *, dataset: str, class_names: tuple[str, ...]) -> Options:
    """Facts of a run that are known before it is run."""
    architecture = networks.resolve(key.network)
    return {
        "mode": "scratch" if key.mode == "scratch" else "frozen" if key.mode == "frozen" else "finetuned",
        "architecture": architecture.current_name,
        "family": architecture.family,
        "weights": f"run:{key.weights_run}" if key.weights_run else key.weights,
        "head": "logistic" if key.mode == "frozen" else None,
        "dataset": key.described_data(dataset),
        "seed": key.seed,
        "class_names": list(class_names),
        "hardware": asdict(machine()),
        "versions": package_versions(*LIBRARIES),
    }


def _record(ready: PreparedTraining, result: TrainingResult) -> Options:
    key, config, dataset = ready.key, ready.config, ready.inputs.located
    final, size, ids = result.final, config.preprocessing.image_size, ready.data.images.splits["test"].ids
    known = facts(key, dataset=dataset.name, class_names=config.class_names)
    return {
        **identity(key, dataset=dataset.name),
        **known,
        "dataset": {**known["dataset"], "test_images": records.images_digest(key.dataset_digest, ids)},
        "hardware": {**known["hardware"], "device": ready.context.device},
        "notices": images.notices(dataset, ready.data.skipped),
        "image_size": size[0],
        "preprocessing": config.preprocessing.as_dict(),
        "chosen": {"recipe": key.recipe, **key.recipe_options, **config.architecture.chosen_options},
        "choice": _choice(ready, result),
        "curves": result.chosen.curves,
        "training": result.training,
        "validation": None if result.validation is None else heads.scores(*result.validation).as_dict(),
        "seconds": _seconds(ready, result),
        "parameters": sum(one.numel() for one in final.network.parameters()),
        "bytes": weight_bytes(final.network),
        "flops": cost(final.network, image_size=(size[0], size[1])).flops,
        "images_per_second": final.images_per_second,
        "processes": processes.count(),
        "study": ready.context.study,
        **scores.on_test(
            result.logits,
            result.labels,
            ids=ids,
            class_names=config.class_names,
            temperature=None if result.validation is None else heads.fit_temperature(*result.validation),
            averaged=result.averaged,
            dataset=known["dataset"],
        ),
    }


def _choice(ready: PreparedTraining, result: TrainingResult) -> Options:
    """The choice on validation images, and their number: none, where a recipe has a fixed length.

    Without any for the network, the head that it began with was chosen on some, and fitted to these as well.
    """
    key, validation_rows, refitted, criterion = ready.key, len(ready.validation_rows), ready.key.refit, "given"
    if validation_rows:
        patience, by = key.recipe_options.get("patience"), key.recipe_options.get("criterion", "accuracy")
        criterion = "given" if patience is None else by
    elif ready.begun:
        validation_rows, refitted, criterion = ready.begun[-1].validation_rows, True, "log_loss"
    return {
        "criterion": criterion,
        "kept_epoch": result.chosen.best_epoch or None,
        "kept_by": None if not result.chosen.history else criterion if ready.recipe.patience is not None else "last",
        "epochs_run": result.chosen.epochs_run,
        "best_epoch": result.chosen.best_epoch,
        "drawn": _drawn(key),
        "refitted": refitted,
        "training_rows": result.training_rows,
        "validation_rows": validation_rows,
        "engine": result.final.engine,
        "skipped": list(ready.data.skipped),
    }


def _drawn(key: NetworkKey) -> list[str]:
    """What the seed draws of a training, beside the validation images."""
    if key.mode == "frozen":
        return []
    kept_head = key.mode == "head-first" or key.weights == "run"
    start = "initial weights" if key.mode == "scratch" else "initial classifier"
    return [*([] if kept_head else [start]), "order and augmentation of the images"]


def _seconds(ready: PreparedTraining, result: TrainingResult) -> dict[str, float | None]:
    """The phases as `workspace.schema.DoneRecord.cost_seconds` adds them up, and `total`, their sum.

    `fit` is reading the training images and the kept network's training with the fit of the head it began with;
    `search` what was chosen before. Scoring validation images belongs to the training that it scored. `extraction`,
    where there is a head, is of the features it was fitted on. Phases hold what every process spent that worked on
    this run.
    """
    chosen, final, begun = result.chosen, result.final, ready.begun
    scored = chosen.train_seconds + result.validation_seconds
    search, fit = (0.0, scored) if final is chosen else (scored, final.train_seconds)
    if final.epochs_run or not (begun and begun[-1].file):  # else only the extraction's reading was needed
        fit += ready.loaded.seconds["train"]
    seconds: dict[str, float | None] = {"search": search, "fit": fit, "evaluation": result.evaluation_seconds}
    if begun:
        seconds["extraction"] = _extraction_seconds(begun)
        seconds["search"] = search + sum(one.search for one in begun) + sum(one.fit for one in begun[:-1])
        seconds["fit"] = fit + begun[-1].fit
    return records.with_total(seconds)


def _extraction_seconds(begun: Sequence[HeadInit]) -> float | None:
    """Of all features that the heads were fitted on, each file once; None where it is not known of one."""
    each = {one.file or index: one.extraction for index, one in enumerate(begun)}
    known = [seconds for seconds in each.values() if seconds is not None]
    return sum(known) if len(known) == len(each) else None


def keep_rate(ready: PreparedTraining, result: TrainingResult) -> None:
    """Keeps what an epoch took, for estimates: the last one, whose images have their full size."""
    history, key, rows = result.chosen.history, ready.key, ready.recipe.batch_size
    if history:
        precision, options = key.recipe_options["precision"], key.architecture
        stages = int(key.mode.removeprefix("partial:")) if key.mode.startswith("partial:") else None
        of = {"size": ready.config.image_size, "rows": rows, "precision": precision, "stages": stages}
        name = rates.training("trained", key.network, options=options, **of)
        seconds = float(history[-1]["seconds"])
        rates.keep_run(ready.context.workspace, name, seconds, pieces=len(ready.rows) // rows * rows)
