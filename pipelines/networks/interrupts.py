"""Ctrl-C and SIGTERM while a checkpoint can still be written: first noted, then obeyed."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether the process was asked to end; when the body is left, it is.

    The first signal is only noted, so that the body can end in good order; then the handler that was there
    before gets it. A second one goes to that handler at once. Outside the main thread, where Python takes no
    signals, nothing is deferred. A signal that is ignored (as a shell's background jobs ignore Ctrl-C) stays so.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        _restore(before)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: bool(noted)
    finally:
        _restore(before)
        if noted:
            signal.raise_signal(noted[0])


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
