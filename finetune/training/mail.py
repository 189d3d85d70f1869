"""Messages from the first of several processes to the others, through the store that torch's processes share.

A collective operation waits inside a library, where no signal is obeyed, and cannot tell a peer that works for hours
from one that is gone. Here the others look again and again, and every process shows that it lives.
"""

import contextlib
import itertools
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

from extract.errors import TransferBenchError

LOOK_SECONDS, BEAT_SECONDS, LEAVE_SECONDS = 0.1, 5.0, 5.0
SILENCE_SECONDS = 120.0  # of a process that is stopped, killed, or cut off


class LostPeerError(TransferBenchError):
    """Another process of the group is gone; nothing is wrong with the request."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the processes that train together must all stay; {what}. Start all of them again: they go on from the "
            "checkpoint of the last epoch."
        )


class Mail:
    """Messages of process 0 to the others, in the order in which all of them ask; `store` is torch's, or like it."""

    def __init__(self, store: Any, *, rank: int, count: int) -> None:
        self._store, self._rank, self._count = store, rank, count
        self._numbers = itertools.count()

    def from_first(self, value: Any) -> Any:
        """The first process' `value`, as JSON gives it back, in all of them. Raises `LostPeerError`."""
        key = f"message-{next(self._numbers)}"
        with lost_peers():
            if self._rank == 0:
                self._store.set(key, json.dumps(value))
                return json.loads(json.dumps(value))
            self._wait(key)
            return json.loads(self._store.get(key))

    def _wait(self, key: str) -> None:
        beat, since = b"", time.monotonic()
        while not self._store.check([key]):
            time.sleep(LOOK_SECONDS)
            if self._store.check(["failed"]):
                raise LostPeerError("the first one has failed, and says why")
            now = self._store.get("alive") if self._store.check(["alive"]) else b""
            if now != beat:
                beat, since = now, time.monotonic()
            if time.monotonic() - since > SILENCE_SECONDS:
                raise LostPeerError(f"the first one has been silent for {SILENCE_SECONDS:.0f} s")

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Inside, the first process shows the others that it lives; at the end it waits until they have left."""
        ended = threading.Event()

        def beat() -> None:
            for number in itertools.count():
                with contextlib.suppress(RuntimeError):  # whoever holds the store has gone: its own wait will say so
                    self._store.set("alive", str(number))
                if ended.wait(BEAT_SECONDS):
                    return

        if self._rank == 0:
            threading.Thread(target=beat, daemon=True, name="alive").start()
        try:
            yield
        except BaseException:
            self._leave(well=False)
            raise
        else:
            self._leave(well=True)
        finally:
            ended.set()

    def _leave(self, *, well: bool) -> None:
        """The store may be the first process' own: it stays until the others have read its last message."""
        with contextlib.suppress(RuntimeError):
            self._store.set(f"left-{self._rank}", "")
            if self._rank == 0 and not well:
                self._store.set("failed", "")
            deadline = time.monotonic() + LEAVE_SECONDS
            while self._rank == 0 and time.monotonic() < deadline:
                if self._store.check([f"left-{rank}" for rank in range(self._count)]):
                    return
                time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def lost_peers() -> Iterator[None]:
    """Errors of torch's processes as `LostPeerError`; any other as it came."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if type(error).__name__.startswith("Dist") or any(word in text for word in ("gloo", "NCCL", "by peer")):
            raise LostPeerError(f"one is gone, or answers no more ({text.strip().splitlines()[0][:200]})") from error
        raise
