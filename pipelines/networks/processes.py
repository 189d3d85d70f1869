"""Several processes that train one network together, as torchrun starts them: who they are, and who writes.

torchrun says it all in the environment (RANK, LOCAL_RANK, WORLD_SIZE). Alone, everything here is nothing, and
no torch is imported for it.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from extract.errors import InvalidInput
from pipelines.context import Context

Answer = TypeVar("Answer")


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
    from torch import distributed

    on_gpu = context.device.startswith("cuda")
    distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield replace(context, device=f"cuda:{_number('LOCAL_RANK', 0)}") if on_gpu else context
    finally:
        distributed.destroy_process_group()


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """The first process runs the body before the others, which then find what it made."""
    if count() > 1 and rank() > 0:
        _wait()
    yield
    if count() > 1 and rank() == 0:
        _wait()


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


def _wait() -> None:
    from torch import distributed

    distributed.barrier()


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, str(otherwise))
    if not text.isdigit():
        raise InvalidInput(f"environment variable {name} must be a whole number; got {text!r}. Start with torchrun.")
    return int(text)
