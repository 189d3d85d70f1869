"""Requests to end: Ctrl-C, and every signal by which a system, a closed terminal or a scheduler asks for that.

The first is obeyed in good order: `deferred` lets a training keep its step before. A second Ctrl-C ends at once.
"""

import _thread
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from extract.runtime.locks import Lock

Handler = Callable[[int, FrameType | None], object] | int | None

# Schedulers warn with XCPU, USR1 and USR2 (Slurm's --signal, SGE's -notify, LSF's -wa) before they kill.
# BREAK is what Windows makes of a console that is closed.
NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGUSR1", "SIGUSR2", "SIGBREAK")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
PATIENCE_SECONDS = 10.0  # for which a second signal that is no Ctrl-C is taken for the first one, sent again
AGAIN_SECONDS = 0.05
FREEING = (Lock.__exit__.__code__, Lock.free.__code__)
ECHO_SECONDS = 1.0  # torchrun passes on the Ctrl-C that the terminal has sent to its processes too


class Terminated(SystemExit):
    """A signal asked for the end: everything is left in good order, as for any exit, and then the end is told."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.signal_name = signal.Signals(number).name


@contextlib.contextmanager
def obeyed(at_once: Callable[[int], object]) -> Iterator[None]:
    """Inside, a signal raises `KeyboardInterrupt` (Ctrl-C) or `Terminated`, once; the next may end the process.

    `at_once(status)` tells the end before that. Signals that are ignored (nohup, a shell's background jobs) stay so.
    """
    first: list[float] = []

    def obey(number: int, frame: FrameType | None) -> None:
        if not first and _frees_a_lock(frame):
            _thread.start_new_thread(_send, (number,))
            return
        if not first:
            first.append(time.monotonic())
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)
        since = time.monotonic() - first[0]
        if since > (_echo() if number == signal.SIGINT else PATIENCE_SECONDS):
            at_once(128 + number)
            os._exit(128 + number)

    before = _handled()
    _set(dict.fromkeys(before, obey))
    try:
        with _not_swallowed(first):
            yield
    finally:
        _set(before)


@contextlib.contextmanager
def _not_swallowed(first: list[float]) -> Iterator[None]:
    """Sends a signal again whose exception Python dropped: raised in a finalizer, it can end nothing.

    `first` is emptied, so that it is obeyed as the first one that it is.
    """
    before = sys.unraisablehook

    def again(dropped: "sys.UnraisableHookArgs") -> None:
        error = dropped.exc_value
        if not isinstance(error, KeyboardInterrupt | Terminated):
            before(dropped)
            return
        number = signal.SIGINT if isinstance(error, KeyboardInterrupt) else signal.Signals[error.signal_name]
        first.clear()
        _thread.start_new_thread(_send, (number,))  # a Thread's start waits, and the signal would be dropped in that

    sys.unraisablehook = again
    try:
        yield
    finally:
        sys.unraisablehook = before


def _frees_a_lock(frame: FrameType | None) -> bool:
    """Whether a lock is just being freed: left half way it would stay held, and what ends in good order wait for it."""
    while frame is not None and frame.f_code not in FREEING:
        frame = frame.f_back
    return frame is not None


def _send(number: int) -> None:
    """Sends a signal to this process, again and soon."""
    time.sleep(AGAIN_SECONDS)
    if os.name == "nt":  # where os.kill ends the process at once
        signal.raise_signal(number)
    else:  # a signal of this thread's own would not wake the main thread
        os.kill(os.getpid(), number)


@contextlib.contextmanager
def deferred() -> Iterator[Callable[[], bool]]:
    """Gives a function that says whether the process was asked to end; when the body is left, it is.

    The first signal is only noted, so that the body can end in good order; then the handler that was there before
    gets it. A second Ctrl-C goes to that handler at once. Outside the main thread, where Python takes no signals,
    nothing is deferred.
    """
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before, when = _handled(), [0.0]

    def note(number: int, frame: FrameType | None) -> None:
        if noted and number == signal.SIGINT and time.monotonic() - when[0] > _echo():
            noted.clear()
            _set(before)
            signal.raise_signal(number)
        elif not noted:
            noted.append(number)
            when[0] = time.monotonic()

    _set(dict.fromkeys(before, note))
    try:
        yield lambda: bool(noted)
    finally:
        _set(before)
        if noted:
            signal.raise_signal(noted[0])


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Keeps requests to end waiting while the body, which must be short, runs."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def over(status: int | None = None) -> None:
    """Lets no request to end change the status of what is over: it is left out, or, with `status`, ends with that."""

    def end(number: int, frame: FrameType | None) -> None:
        if status is not None:
            os._exit(status)

    _set(dict.fromkeys(_handled(), end))


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Puts the handlers back that a library replaces in the body."""
    before = _handled()
    try:
        yield
    finally:
        _set(before)


def _handled() -> dict[int, Handler]:
    """The handlers of the signals that are not ignored; none outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    return {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}


def _set(handlers: dict[int, Handler]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _echo() -> float:
    return ECHO_SECONDS if "TORCHELASTIC_RUN_ID" in os.environ else 0.0
