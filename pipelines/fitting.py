"""Feature file x head -> a run: the head kept, its test logits kept, one record. What the head stage computes."""

import hashlib
import json
import resource
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from extract.machine import machine, package_versions
from extract.runtime import Stopwatch
from extract.store import FeatureFile, locked
from pipelines.context import Context
from pipelines.specs import HeadKey

LIBRARIES = ("torch", "timm", "scikit-learn", "numpy", "h5py")
LOGITS_NAME = "test.safetensors"


@dataclass(frozen=True)
class Inputs:
    """What fitting needs beside its key, which only digests it: the features themselves."""

    file: FeatureFile
    context: Context


def compute(key: HeadKey, inputs: Inputs) -> dict[str, Any]:
    """Chooses, refits and scores a head, keeps it under `runs/<run>/`, and returns its record.

    The test split is read only after the head is chosen and refitted.
    """
    import heads

    context, file = inputs.context, inputs.file
    folder = context.workspace / "runs" / key.run()
    train = file.read("train")
    head, choice = heads.fit_head(
        key.head,
        key.options,
        features=train.features,
        labels=train.labels,
        validation=key.validation,
        seed=key.seed,
        device=context.device,
        progress=lambda done, total, _: context.progress(done, total, "candidates"),
    )
    watch = Stopwatch(context.device)
    test = file.read("test")
    logits = head.logits(test.features[0])
    scores = heads.scores(logits, test.labels, classes=head.classes_, seed=key.seed)
    evaluation_seconds = watch.seconds()
    with locked(folder):
        heads.save(head, folder, recipe=_recipe(key, file))
        _keep_logits(folder / LOGITS_NAME, logits=logits, labels=test.labels)
        record = _record(key, file=file, head=head, choice=choice, scores=scores)
        record["seconds"]["evaluation"] = evaluation_seconds
        record["files"] = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != "record.json"}
        _write(folder / "record.json", json.dumps(record, indent=1).encode())
    return _short(record)


def is_whole(record: dict[str, Any], workspace: Path) -> bool:
    """Whether the run of a record is there with the files that were recorded."""
    folder = workspace / "runs" / record["run"]
    return (folder / "record.json").is_file() and all(
        (folder / name).is_file() and _sha256(folder / name) == sha256 for name, sha256 in record["files"].items()
    )


def _recipe(key: HeadKey, file: FeatureFile) -> dict[str, Any]:
    """All that turns a raw image into this head's probabilities."""
    return {"features": file.spec, "content": file.content, "class_names": list(file.class_names), "key": asdict(key)}


def _record(key: HeadKey, *, file: FeatureFile, head: Any, choice: Any, scores: Any) -> dict[str, Any]:
    return {
        "run": key.run(),
        "kind": "head",
        "key": asdict(key),
        "features": file.spec,
        "class_names": list(file.class_names),
        "choice": choice.as_dict(),
        "test": scores.as_dict(),
        "seconds": {"search": choice.search_seconds, "fit": choice.fit_seconds},
        "parameters": int(sum(array.size for array in head.weights().values())),
        "bytes": int(sum(array.nbytes for array in head.weights().values())),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "hardware": asdict(machine()),
        "versions": package_versions(*LIBRARIES),
    }


def _short(record: dict[str, Any]) -> dict[str, Any]:
    """What the cache keeps of a record: the answer of `pipeline fit-head`, and how to check the rest."""
    validation, test = record["choice"]["validation"], record["test"]
    return {
        "run": record["run"],
        "files": record["files"],
        "head": record["key"]["head"],
        "chosen": record["choice"]["options"],
        "criterion": record["choice"]["criterion"],
        "converged": record["choice"]["fit_facts"].get("converged"),
        "validation_accuracy": None if validation is None else validation["accuracy"],
        "test_accuracy": test["accuracy"],
        "test_interval": list(test["interval"]),
        "test_rows": test["rows"],
        "log_loss": test["log_loss"],
        "calibration_error": test["calibration_error"],
        "search_seconds": record["seconds"]["search"],
        "fit_seconds": record["seconds"]["fit"],
        "evaluation_seconds": record["seconds"]["evaluation"],
        "bytes": record["bytes"],
    }


def _keep_logits(path: Path, *, logits: Any, labels: Any) -> None:
    from safetensors.numpy import save

    _write(path, save({"logits": logits, "labels": labels}))


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_bytes(content)
    temporary.replace(path)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
