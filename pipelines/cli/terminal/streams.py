"""The ends of stdout and stderr: the one place that writes to them and closes them.

* Text that the encoding cannot hold is written with backslashes, never refused.
* A closed pipe on stdout ends the command in silence with status 141, as SIGPIPE ends other tools.
* Any other failure of stdout (a full disk) is one sentence with status 1.
* A stderr that takes nothing more is given up: what it would have said is no reason to stop working.
"""

import atexit
import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn, TextIO

from extract.errors import TransferBenchError
from pipelines.workspace import signals

CLOSED_PIPE = 128 + 13  # SIGPIPE
ERASE = "\r\x1b[K"


@dataclass
class _State:
    """Whose process it is, and what has become of its stdout."""

    is_own: bool = False
    is_answered: bool = False
    stdout: TextIO | None = None
    is_drawn: bool = False


_state = _State()


class ClosedPipe(SystemExit):
    """Whoever reads stdout has gone: there is nobody to tell."""

    def __init__(self) -> None:
        super().__init__(CLOSED_PIPE)


def prepare(*, is_own: bool) -> None:
    """Lets both streams take any text; those that were closed from the start lead nowhere.

    `is_own` says that the process is the command's own: what ends with the answer.
    """
    _state.is_own = is_own
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _nowhere(number))
        elif number and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def reserved() -> Iterator[None]:
    """Reserves stdout for `answer` while the body runs.

    What anything else prints is written afterwards: to stdout, as the help that click prints, where nothing was
    answered, else to stderr, as what a library says unasked. Raises as `answer` does.
    """
    printed = io.BytesIO()
    _state.stdout, _state.is_answered = sys.stdout, False
    try:
        with contextlib.redirect_stdout(io.TextIOWrapper(printed, "utf-8", "backslashreplace", write_through=True)):
            yield
            text = printed.getvalue().decode("utf-8", "replace").removesuffix("\n")
        if text:
            (tell if _state.is_answered else answer)(text)
    finally:
        _state.stdout = None


def stdout() -> TextIO:
    """The stdout of the process, also where it is reserved."""
    return _state.stdout or sys.stdout


def answer(text: str) -> None:
    """Writes `text` and a newline to stdout, at once; raises `ClosedPipe`, or `TransferBenchError` for a full disk.

    What comes after it is only the end of a process of the command's own, whose status no signal changes any more.
    """
    stream, _state.is_answered = stdout(), True
    try:
        print(text, end="", file=stream, flush=True)
        with signals.held():  # whoever has read the last line may send what he likes
            print(file=stream, flush=True)
            if _state.is_own:
                signals.over()
    except OSError as error:
        _give_up(stream)
        raise _failure(error) from error


def tell(text: str) -> None:
    """Writes `text` and a newline to stderr, at once, in place of a line that was drawn there."""
    erased, _state.is_drawn = ERASE if _state.is_drawn else "", False
    _write(f"{erased}{text}\n")


def draw(text: str) -> None:
    """Draws `text`, one line, in place of the one that was drawn before; "" leaves none."""
    if text or _state.is_drawn:
        _state.is_drawn = bool(text)
        _write(ERASE + text)


def _write(text: str) -> None:
    try:
        print(text, end="", file=sys.stderr, flush=True)  # noqa: T201
    except OSError:  # nobody can be told that nobody can be told
        _give_up(sys.stderr)


def _failure(error: OSError) -> ClosedPipe | TransferBenchError:
    """What a failed write to stdout means for the command."""
    if isinstance(error, BrokenPipeError):
        return ClosedPipe()
    return TransferBenchError(f"stdout must take the answer; writing it failed ({error.strerror}). Send it elsewhere.")


def holds(text: str, stream: TextIO) -> bool:
    """Whether the encoding of `stream` can hold `text` as it is."""
    try:
        text.encode(stream.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def leave(status: int) -> NoReturn:
    """Ends the process now: threads and exit handlers end in order, the slow taking apart of the interpreter is spared.

    Signals no longer change the status; they only hurry it.
    """
    signals.over(status)
    threading._shutdown()  # type: ignore[attr-defined] (as the interpreter does: waits for threads and their pools)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # an exit handler has printed; the answer was flushed and checked before
            stream.flush()
    os._exit(status)


def _nowhere(number: int) -> TextIO:
    """A stream on the descriptor `number`, which is closed: else the next file that is opened would get its output."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
    return open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)


def _give_up(stream: TextIO) -> None:
    """Leads `stream` nowhere, with what it still holds, which would fail again at the very end."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):  # it has no descriptor: a stream in memory, which is dropped with it
        return
