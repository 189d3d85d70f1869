"""The state of a training on disk: whole or absent, for one spec, and nothing in it is executed.

One file: a line with the format and the sha256 of all that follows, a line of JSON with the state, and safetensors with
its tensors, to which the JSON refers by number. Each tensor comes back with its own order of axes in memory, on which
the last bits of some kernels depend.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import write_file

NAME = "checkpoint.bin"
FORMAT = b"transfer-bench training 3 "
TENSOR, TUPLE, ITEMS = "tensor", "tuple", "items"

State = dict[str, Any]


def save(folder: Path, state: State) -> Path:
    """The checkpoint of `folder`, now holding `state`; the one before is replaced in one step, after a sync.

    A state is made of tensors, numbers, texts, None, lists, tuples and dicts; TypeError for anything else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    text = json.dumps(_written(state, tensors)).encode() + b"\n"
    content = save_tensors(tensors)
    digest = hashlib.sha256(text)
    digest.update(content)
    write_file(folder / NAME, FORMAT + digest.hexdigest().encode() + b"\n", text, content)
    return folder / NAME


def load(folder: Path, *, spec_digest: str, class_names: tuple[str, ...]) -> State | None:
    """The state in `folder`, in memory; None where there is no checkpoint.

    Whoever puts it back moves what belongs on a device: optimizers count their steps in memory, and on a GPU
    would wait for it at every step to read that count.

    Raises CorruptFileError where it is cut short or altered, and InvalidInputError where it is of another spec or of
    other classes.
    """
    path = folder / NAME
    if not path.exists():
        return None
    head, _, content = path.read_bytes().partition(b"\n")
    if head != FORMAT + hashlib.sha256(content).hexdigest().encode():
        raise CorruptFileError(
            f"{path} must be a whole checkpoint; got one that is cut short, altered or foreign. "
            "Delete it to train from the start."
        )
    text, _, tensors = content.partition(b"\n")
    try:
        state: State = _read(json.loads(text), load_tensors(tensors))
        _check(path, state, spec_digest=spec_digest, class_names=class_names)
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise CorruptFileError(
            f"{path} must hold the state of a training; got something else ({error}). Delete it."
        ) from error
    return state


def _written(value: Any, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON, with a tensor's number, sizes and strides in its place; the tensor itself goes to `tensors`."""
    if isinstance(value, Tensor):
        number = str(len(tensors))
        strides = value.stride() if _is_dense(value) else value.new_empty(value.shape).stride()
        tensors[number] = _flat(value.detach(), strides)
        return {TENSOR: [number, list(value.shape), list(strides)]}
    if isinstance(value, dict):
        return {ITEMS: [[_written(one, tensors) for one in pair] for pair in value.items()]}
    if isinstance(value, tuple):
        return {TUPLE: [_written(one, tensors) for one in value]}
    if isinstance(value, list):
        return [_written(one, tensors) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint must hold tensors, numbers, texts and lists of them; got {type(value).__name__}")


def _read(value: Any, tensors: dict[str, Tensor]) -> Any:
    """What `_written` wrote."""
    if isinstance(value, list):
        return [_read(one, tensors) for one in value]
    if not isinstance(value, dict):
        return value
    if ITEMS in value:
        return {_read(key, tensors): _read(one, tensors) for key, one in value[ITEMS]}
    if TUPLE in value:
        return tuple(_read(one, tensors) for one in value[TUPLE])
    number, shape, strides = value[TENSOR]
    found = torch.empty_strided(shape, strides, dtype=tensors[number].dtype)
    return found.copy_(tensors[number].as_strided(shape, strides))


def _flat(tensor: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The values [N] in the order in which a tensor of these `strides` has them in memory, in memory of their own."""
    ordered = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)
    return ordered.as_strided((ordered.numel(),), (1,))


def _is_dense(tensor: Tensor) -> bool:
    """Whether the values lie one after another, whatever the order of the axes."""
    reach = sum((size - 1) * stride for size, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return tensor.numel() > 0 and reach + 1 == tensor.numel()


def _check(path: Path, state: State, *, spec_digest: str, class_names: tuple[str, ...]) -> None:
    if state["spec_digest"] != spec_digest:
        raise InvalidInputError(
            f"{path} must be of the spec {spec_digest[:12]}; got one of {state['spec_digest'][:12]}. "
            "Delete it, or give the options it was made with."
        )
    if tuple(state["class_names"]) != class_names:
        raise InvalidInputError(
            f"{path} must be of the classes {', '.join(class_names)}; got {', '.join(state['class_names'])}. "
            "Delete it, or use the data set it was made with."
        )
