"""Several processes that train one network together, as torchrun starts them: who they are, and who writes.

torchrun says it all in the environment (RANK, LOCAL_RANK, WORLD_SIZE). Alone, everything here is nothing, and
no torch is imported for it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from extract.errors import InvalidInput, PipelineError
from pipelines.context import Context

Answer = TypeVar("Answer")
PATIENCE = timedelta(hours=24)  # how long the others wait: the first may be downloading, extracting, decoding


def count() -> int:
    """The number of processes."""
    return _number("WORLD_SIZE", 1)


def rank() -> int:
    """The number of this process among them, from 0; only the first writes and prints."""
    return _number("RANK", 0)


@contextlib.contextmanager
def joined(context: Context) -> Iterator[Context]:
    """Joins the processes, if there are several, for the body; gives the context with this process' own GPU."""
    if count() == 1:
        yield context
        return
    import torch
    from torch import distributed

    on_gpu, place = context.device.startswith("cuda"), _number("LOCAL_RANK", 0)
    if on_gpu:
        torch.cuda.set_device(place)  # else every process would open a context on the first GPU, and NCCL would use it
    # Messages between processes are objects in memory: gloo carries them, and waits without a GPU being busy.
    distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    try:
        yield replace(context, device=f"cuda:{place}") if on_gpu else context
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """The first process runs the body before the others, which then find what it made.

    Where the body fails in the first, the others are told and raise `PipelineError` in place of running it: one
    mistake would be made as often as there are processes, and what is half made is not to be relied on.
    """
    if count() == 1:
        yield
    elif rank():
        _check_first(_told(None))
        yield
    else:
        failure: str | None = "it was interrupted"
        try:
            yield
            failure = None
        except Exception as error:
            failure = str(error) or type(error).__name__
            raise
        finally:
            _told(failure)


def together(ask: Callable[[], Answer], *, known: Callable[[], bool], work: Callable[[], Any]) -> Answer:
    """What `ask()` gives in the first process, in all of them.

    The others `work()` beside it, unless the first says that the answer is `known()` already.
    """
    if count() == 1:
        return ask()
    if not _told(known() if rank() == 0 else False) and rank() > 0:
        work()
    return _told(ask() if rank() == 0 else None)  # type: ignore[return-value]


def first_says(whether: Callable[[], bool]) -> bool:
    """What `whether()` gives in the first process, in all of them; the others do not ask it."""
    return whether() if count() == 1 else _told(whether() if rank() == 0 else False)


def _told(value: Any) -> Any:
    """The first process' `value`."""
    from torch import distributed

    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def _check_first(failure: str | None) -> None:
    if failure is not None:
        raise PipelineError(
            f"the first process must have made what the others need; got a failure there: {failure} "
            "Mend that, and start all of them again."
        )


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, str(otherwise))
    if not text.isdigit():
        raise InvalidInput(f"environment variable {name} must be a whole number; got {text!r}. Start with torchrun.")
    return int(text)
