"""Checkpoints: the state of a training on disk, complete or absent, for one spec, and nothing in it is executed.

One file: a line with the format and the sha256 of all that follows, then torch's own format, read with `weights_only`.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import make_folder, write_file
from finetune.training import distributed, history
from finetune.training.trainer import Trainer

NAME = "checkpoint.bin"
FORMAT = b"transfer-bench training 4 "

State = dict[str, Any]


class CheckpointManager:
    """The checkpoint and the history file of a training; without a folder, none. Only the first process writes."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer, self._config, self._folder = trainer, trainer.config, trainer.config.checkpoint_folder

    def resume(self) -> bool:
        """Restore the checkpoint; False where there is none.

        Raises `InvalidInputError` in all processes where they have different ones.
        """
        if self._folder is None:
            return False
        state = load(self._folder, spec_digest=self._config.spec_digest, class_names=self._config.class_names)
        if state is not None:
            self._trainer.restore(state)
        begun = self._trainer.begun
        mine = [len(self._trainer.rows), begun.step if begun else 0]
        if distributed.any_says(distributed.from_first(mine) != mine, self._trainer.device):
            raise InvalidInputError(
                f"checkpoint must be the same in every process; process {distributed.rank()} has one after epoch "
                f"{mine[0]}, update {mine[1]} of the next. Give all of them one workspace, or remove {self._folder} "
                "of each."
            )
        if distributed.rank() == 0:
            history.write(self._folder, self._trainer.rows)
        done, total = len(self._trainer.rows), self._trainer.last_epoch
        if state is not None and done < total:
            self._config.notice(f"training goes on after epoch {done} of {total}")
        return state is not None

    def keep(self) -> None:
        """Writes the checkpoint, and then the history file."""
        if self._folder is None or distributed.rank():
            return
        names = {"spec_digest": self._config.spec_digest, "class_names": list(self._config.class_names)}
        save(self._folder, {**names, **self._trainer.state()})
        history.write(self._folder, self._trainer.rows)

    def kept(self) -> str:
        """Sentence on what a training that ends early leaves."""
        done = len(self._trainer.rows)
        if self._folder is None or (done == 0 and self._trainer.begun is None):
            return "No checkpoint was written"
        return f"The checkpoint after epoch {done} is kept"


def save(folder: Path, state: State) -> Path:
    """The checkpoint of `folder`, now holding `state`; the one before is replaced in one step, after a sync.

    A state is made of tensors, numbers, texts, None, lists, tuples and dicts; TypeError for anything else.
    """
    _check_parts(state)
    make_folder(folder)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    write_file(folder / NAME, FORMAT + hashlib.sha256(content).hexdigest().encode() + b"\n", content)
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
            f"{path} must be a complete checkpoint; got one that is cut short, altered or foreign. "
            "Delete it to train from the start."
        )
    try:
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        own = state["spec_digest"], tuple(state["class_names"])
    except (pickle.UnpicklingError, KeyError, TypeError, ValueError, EOFError, RuntimeError) as error:
        raise CorruptFileError(
            f"{path} must hold the state of a training; got something else ({error}). Delete it."
        ) from error
    if own[0] != spec_digest:
        raise InvalidInputError(
            f"{path} must be of the spec {spec_digest[:12]}; got one of {own[0][:12]}. "
            "Delete it, or give the options it was made with."
        )
    if own[1] != class_names:
        raise InvalidInputError(
            f"{path} must be of the classes {', '.join(class_names)}; got {', '.join(own[1])}. "
            "Delete it, or use the data set it was made with."
        )
    return state


def _check_parts(value: object) -> None:
    if isinstance(value, dict | list | tuple):
        for part in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            _check_parts(part)
    elif not isinstance(value, Tensor | bool | int | float | str | None):
        raise TypeError(f"a checkpoint must hold tensors, numbers, texts and lists of them; got {type(value).__name__}")
