"""The state of a training on disk: whole or absent, for one spec, and nothing in it is executed.

One file: a line with the format and the sha256 of what follows, then torch's own archive, which is read with
`weights_only=True`.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch

from extract.disk import write_file
from extract.errors import DamagedFile, InvalidInput

NAME = "checkpoint.pt"
FORMAT = b"transfer-bench training 1 "

State = dict[str, Any]


def save(folder: Path, state: State) -> Path:
    """The checkpoint of `folder`, now holding `state`; the one before is replaced in one step, after a sync."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    head = FORMAT + hashlib.sha256(content).hexdigest().encode() + b"\n"
    write_file(folder / NAME, head, content)
    return folder / NAME


def load(folder: Path, *, spec_digest: str, class_names: tuple[str, ...]) -> State | None:
    """The state in `folder`, in memory; None where there is no checkpoint.

    Whoever puts it back moves what belongs on a device: optimisers count their steps in memory, and on a GPU
    would wait for it at every step to read that count.

    Raises DamagedFile where it is cut short or altered, and InvalidInput where it is of another spec or of
    other classes.
    """
    path = folder / NAME
    if not path.exists():
        return None
    head, _, content = path.read_bytes().partition(b"\n")
    if head != FORMAT + hashlib.sha256(content).hexdigest().encode():
        raise DamagedFile(
            f"{path} must be a whole checkpoint; got one that is cut short, altered or foreign. "
            "Delete it to train from the start."
        )
    try:
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise DamagedFile(
            f"{path} must hold tensors and numbers only; got something else ({error}). Delete it."
        ) from error
    _check(path, state, spec_digest=spec_digest, class_names=class_names)
    return state


def _check(path: Path, state: State, *, spec_digest: str, class_names: tuple[str, ...]) -> None:
    if state["spec_digest"] != spec_digest:
        raise InvalidInput(
            f"{path} must be of the spec {spec_digest[:12]}; got one of {state['spec_digest'][:12]}. "
            "Delete it, or give the options it was made with."
        )
    if tuple(state["class_names"]) != class_names:
        raise InvalidInput(
            f"{path} must be of the classes {', '.join(class_names)}; got {', '.join(state['class_names'])}. "
            "Delete it, or use the data set it was made with."
        )
