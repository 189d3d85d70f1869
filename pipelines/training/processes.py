"""Several processes that train one network together, as torchrun starts them: who they are, and who writes.

torchrun says it all in the environment. Its variables count only together, and only in the commands that train one
network (`torchrun_group`): a cluster leaves some of them behind, which no other command may follow. Alone, everything
here does nothing, and imports no torch.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from extract.errors import InvalidInputError, TransferBenchError
from extract.runtime.locks import Lock
from extract.runtime.typed_json import plain, typed
from pipelines.workspace.context import Context

Answer = TypeVar("Answer")
MARKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID")
MEETING = timedelta(minutes=10)  # for all to have started
STEP = timedelta(minutes=5)  # for one exchange within a step; whoever works for longer is waited for by mail
LOOK_SECONDS = 0.1
LOCK_SECONDS = 60.0  # torch gives up processes of a group that hear nothing for longer than some minutes


@dataclass(frozen=True)
class ProcessGroup:
    """The number of processes, this one's among them (from 0; only that one writes and prints), and on its machine."""

    count: int = 1
    rank: int = 0
    place: int = 0


ALONE = ProcessGroup()
_GROUP: ContextVar[ProcessGroup] = ContextVar("torchrun_group", default=ALONE)


@contextlib.contextmanager
def torchrun_group(joins: bool = True) -> Iterator[None]:
    """Inside, the processes that torchrun has started, if any, are one group, which this command `joins` or not."""
    token = _GROUP.set(_started() if joins else ALONE)
    try:
        yield
    finally:
        _GROUP.reset(token)


def count() -> int:
    """The number of processes."""
    return _GROUP.get().count


def rank() -> int:
    """The number of this process among them, from 0; only the first writes and prints."""
    return _GROUP.get().rank


def _started() -> ProcessGroup:
    """What torchrun says in the environment; one process alone where its marks are not all there."""
    if not all(os.environ.get(name) for name in MARKS):
        return ALONE
    return ProcessGroup(_number("WORLD_SIZE"), _number("RANK"), _number("LOCAL_RANK"))


@contextlib.contextmanager
def joined(context: Context) -> Iterator[Context]:
    """Joins the processes, if there are several, for the body; gives the context with this process' own GPU."""
    if count() == 1:
        yield context
        return
    import torch
    from torch import distributed

    from finetune.training.distributed import messages_through
    from finetune.training.mail import Mail, lost_peers

    on_gpu, place = context.device.startswith("cuda"), _GROUP.get().place
    if on_gpu:
        torch.cuda.set_device(place)  # else every process would open a context on the first GPU, and NCCL would use it
    with lost_peers():
        mail = Mail(_interruptible(lambda: _rendezvous(on_gpu=on_gpu)), rank=rank(), count=count())
    with messages_through(mail), mail.heartbeat(), lost_peers():
        yield replace(context, device=f"cuda:{place}") if on_gpu else context
    distributed.destroy_process_group()  # not after a failure: peers that are gone would be waited for


def _rendezvous(*, on_gpu: bool) -> Any:
    """Forms torch's process group, and gives the store that its processes share."""
    from torch import distributed

    store, number, total = next(iter(distributed.rendezvous("env://", timeout=MEETING)))  # pyright: ignore[reportPrivateImportUsage]
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=distributed.PrefixStore("group", store),  # pyright: ignore[reportPrivateImportUsage]
        rank=number,
        world_size=total,
        timeout=STEP,
    )
    return distributed.PrefixStore("mail", store)  # pyright: ignore[reportPrivateImportUsage]


def _interruptible(work: Callable[[], Answer]) -> Answer:
    """What `work()` gives, computed in a thread: it may wait inside a library, where no signal would be obeyed."""
    found: Future[Answer] = Future()

    def run() -> None:
        try:
            found.set_result(work())
        except BaseException as error:  # noqa: BLE001 (it is raised again in the caller)
            found.set_exception(error)

    threading.Thread(target=run, daemon=True, name="meeting").start()
    while not found.done():
        wait([found], LOOK_SECONDS)
    return found.result()


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """The first process runs the body before the others, which then find what it made.

    Where the body fails in the first, the others hear of it and raise `TransferBenchError` in place of running it: one
    mistake would be made as often as there are processes, and what is half made is not to be relied on.
    """
    if count() == 1:
        yield
    elif rank():
        if (failed := first_says(lambda: None)) is not None:
            raise TransferBenchError(
                f"the first process must have made what the others need; got a failure there: {failed} "
                "Repair that, and start all of them again."
            )
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
            first_says(lambda: failure)


def together(
    ask: Callable[[], Answer], *, answer: type[Answer], known: Callable[[], bool], work: Callable[[], object]
) -> Answer:
    """Result of `ask()` in the first process, returned in all of them: an `answer`, which travels as JSON.

    The others `work()` beside it, unless the first says that the answer is `known()` already.
    """
    if count() == 1:
        return ask()
    if not first_says(known) and rank() > 0:
        work()
    return typed(first_says(lambda: plain(ask())), answer)


def first_says(ask: Callable[[], Answer]) -> Answer:
    """Result of `ask()` in the first process, as JSON gives it back, in all of them; the others do not call it."""
    if count() == 1:
        return ask()
    from finetune.training.distributed import from_first

    return from_first(ask() if rank() == 0 else None)


@contextlib.contextmanager
def exclusive(folder: Path, context: Context) -> Iterator[None]:
    """Holds the lock of the training whose checkpoints stand in `folder`, `<folder>.lock`, while the body runs.

    Two trainings of a key would go on from, replace and delete the same checkpoints.

    Another process that holds it is waited for, which `context` says. Of processes that train together the
    first one holds the lock, and the others wait with it.
    """
    lock = Lock(folder.with_name(f"{folder.name}.lock"))
    if rank() == 0:
        folder.parent.mkdir(parents=True, exist_ok=True)
    if not first_says(lambda: lock.take(within=0.0)):
        if rank() == 0:
            context.notice(f"another process trains {folder.name} already; waiting until it ends")
            context.doing("waiting for the process that trains it")
        while not first_says(lambda: lock.take(within=LOCK_SECONDS)):
            pass
    try:
        yield
    finally:
        lock.free()  # nothing where it is not held


def _number(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise InvalidInputError(
            f"environment variable {name} must be a whole number; got {text!r}. Start with torchrun."
        )
    return int(text)
