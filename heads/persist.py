"""Kept heads: weights as safetensors, everything else in a JSON sidecar; nothing is unpickled.

A directory holds `head.safetensors` (the arrays that applying the head needs) and `head.json` (schema, kind,
options, classes, width, the caller's recipe word for word, the sha256 of the weights file and of all that).
Both are written and synced under temporary names, then renamed one right after the other, the sidecar last: it makes
the head complete. A reader that comes between the two looks again.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import make_folder, write_files
from extract.runtime.typed_json import Count, ShapeError, checksummed, typed, verified
from heads.registry import head_class

if TYPE_CHECKING:
    from torch import nn

    from heads.base import Head

SCHEMA = 2
WEIGHTS_NAME = "head.safetensors"
SIDECAR_NAME = "head.json"
CHECKSUM = "sidecar_sha256"


class HeadSidecar(msgspec.Struct):
    """The sidecar of a kept head."""

    schema: Literal[2]
    kind: str
    options: dict[str, Any]
    classes: list[Any]
    classes_dtype: str
    width: Count
    weights_sha256: str
    recipe: dict[str, Any]


@dataclass(frozen=True)
class AppliedHead:
    """A fitted head that is only applied: `logits` float32 [N, K] for features [N, D], columns as in `classes` [K].

    `module` makes it a torch module, as `Head.module`.
    """

    classes: np.ndarray
    logits: Callable[[np.ndarray], np.ndarray]
    module: "Callable[[], nn.Module]"


def save(head: "Head", directory: str | os.PathLike[str], *, recipe: dict[str, Any]) -> Path:
    """The directory in which the fitted `head` and its `recipe` (JSON primitives) now stand.

    A head that stood there is replaced. Raises InvalidInputError where the recipe is not JSON, StorageError where the
    directory cannot be made or written, and scikit-learn's NotFittedError for an unfitted head.
    """
    if not isinstance(recipe, dict):
        raise InvalidInputError(f"recipe must be a dict of JSON; got {recipe!r}. Pass {{}} where there is none.")
    folder = Path(directory)
    weights = save_tensors({name: np.asarray(array, order="C") for name, array in head.weights().items()})
    classes = head.classes_
    sidecar = {
        "schema": SCHEMA,
        "kind": head.kind,
        "options": {name: _primitive(value) for name, value in head.get_params().items()},
        "classes": classes.tolist(),
        "classes_dtype": classes.dtype.str,
        "width": int(head.n_features_in_),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "recipe": recipe,
    }
    text = _json(checksummed(sidecar, CHECKSUM, _json))
    make_folder(folder)
    write_files({folder / WEIGHTS_NAME: weights, folder / SIDECAR_NAME: text.encode()})
    return folder


def load(directory: str | os.PathLike[str]) -> "tuple[Head, dict[str, Any]]":
    """(the fitted head, its recipe) from `directory`, as `save` left them.

    Raises CorruptFileError where a file is missing, truncated, altered or of another schema.
    """
    folder = Path(directory)
    sidecar, weights = _read_both(folder)
    kind = head_class(sidecar.kind)
    try:
        tensors = load_tensors(weights)
        head = kind(**_options(sidecar))
        head.with_weights(tensors, _classes(sidecar), width=sidecar.width)
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise _damaged(folder / SIDECAR_NAME, f"the sidecar of a {sidecar.kind} head", str(error)) from error
    return head, sidecar.recipe


def load_applied(directory: str | os.PathLike[str], *, device: str = "cpu") -> tuple[AppliedHead, dict[str, Any]]:
    """(the head in `directory`, to be applied on `device`; its recipe). Raises as `load` does.

    Imports no scikit-learn, which takes a second, where the head is affine maps; these are applied on the CPU.
    """
    from heads import checks
    from heads.modules import affine, in_blocks

    sidecar, weights = _read_both(Path(directory))
    module = affine(load_tensors(weights), power=sidecar.options.get("power", 1.0))
    if module is None:
        head, recipe = load(directory)
        if hasattr(head, "device"):
            head.set_params(device=device)
        return AppliedHead(head.classes_, head.logits, head.module), recipe

    def logits(features: np.ndarray) -> np.ndarray:
        return in_blocks(module, checks.matrix(features, width=sidecar.width, head=sidecar.kind)).numpy()

    return AppliedHead(_classes(sidecar), logits, lambda: module), sidecar.recipe


def _classes(sidecar: HeadSidecar) -> np.ndarray:
    return np.array(sidecar.classes, dtype=np.dtype(sidecar.classes_dtype))


def _read_both(folder: Path) -> tuple[HeadSidecar, bytes]:
    """The sidecar and the weights that it describes, both of one `save`.

    Where they do not fit, another process may be between its two renames: only a pair that stays as it is is damaged.
    """
    seen: tuple[int, int] | None = None
    while True:
        sidecar, weights = _read_sidecar(folder / SIDECAR_NAME), _read(folder / WEIGHTS_NAME)
        if hashlib.sha256(weights).hexdigest() == sidecar.weights_sha256:
            return sidecar, weights
        status = (folder / SIDECAR_NAME).stat()
        if seen == (status.st_ino, status.st_mtime_ns):
            raise _damaged(folder / WEIGHTS_NAME, "the file that its sidecar describes", "another sha256")
        seen = status.st_ino, status.st_mtime_ns
        time.sleep(0.05)


def _read_sidecar(path: Path) -> HeadSidecar:
    try:
        return typed(verified(_read(path), CHECKSUM, _json), HeadSidecar)
    except ShapeError as error:
        fields = ", ".join([*HeadSidecar.__struct_fields__, CHECKSUM])
        raise _damaged(path, f"an object with {fields}", str(error)) from error


def _options(sidecar: HeadSidecar) -> dict[str, Any]:
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in sidecar.options.items()}
    if isinstance(weights := options.get("class_weights"), dict):  # JSON knows no classes but texts
        classes = {str(one): one for one in _classes(sidecar).tolist()}
        options["class_weights"] = {classes.get(name, name): weight for name, weight in weights.items()}
    return options


def _primitive(value: Any) -> Any:
    """numpy's numbers, which a grid of options often holds, as Python's; a device of torch as its name."""
    if isinstance(value, list | tuple):
        return [_primitive(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(name): _primitive(entry) for name, entry in value.items()}
    if type(value).__name__ == "device":  # of torch
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def _json(sidecar: dict[str, Any]) -> str:
    try:
        return json.dumps(sidecar, indent=1, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"recipe and classes must be JSON (finite numbers, strings, lists, objects); {error}."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _damaged(path, "a file", "nothing there") from error


def _damaged(path: Path, expected: str, actual: str) -> CorruptFileError:
    return CorruptFileError(f"{path} must be {expected}; got {actual}. Fit the head again.")
