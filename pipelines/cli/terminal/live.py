"""Progress of a long command: one live line on a terminal, a plain line a minute in a log.

There is one step at a time. Its line is replaced by that of the next one and vanishes when the step is over, so that
nothing on the screen is older than what is being done.
"""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from extract.runtime.formats import clock, duration
from pipelines.cli.terminal import streams
from pipelines.cli.terminal.text import cells, message_width, plain, shortened, wrapped

TICK_SECONDS = 0.5  # how often the live line is drawn anew
LOG_SECONDS = 60.0  # between two lines of a log
# A speed is measured over so many seconds, but at least over so many pieces: jobs that run side by side end together.
SPEED_SECONDS, SPEED_PIECES = 60.0, 8
BAR_CELLS = (6, 24)  # the least and the greatest length of a bar
LABEL_CELLS = 8  # a job's label that is shorter than this says nothing
BARS = (("━", "─"), ("=", "-"))


@dataclass
class ProgressStep:
    """Step in progress since `begun`: `what`, or in a counted step `done` of `total` of it; `detail` says where."""

    what: str
    begun: float
    total: int | None = None
    done: int = 0
    detail: str = ""
    seen: deque[tuple[float, int]] = field(default_factory=deque)

    def count(self, done: int, *, now: float) -> None:
        """Takes `done` at the time `now`."""
        self.done = done
        self.seen.append((now, done))
        while len(self.seen) > SPEED_PIECES and self.seen[0][0] < now - SPEED_SECONDS:
            self.seen.popleft()

    def speed(self) -> float | None:
        """Pieces a second of late; None before it can be known."""
        (begun, before), (now, done) = self.seen[0], self.seen[-1]
        return (done - before) / (now - begun) if now > begun and done > before else None

    def seconds_left(self, *, now: float) -> float | None:
        """None before it can be known."""
        speed = self.speed()
        if speed is None or self.total is None:
            return None
        return max((self.total - self.done) / speed - (now - self.seen[-1][0]), 0.0)


class Live:
    """The line of the step at hand on `stream`; `width()` is the number of its cells, `now()` a clock in seconds."""

    def __init__(
        self,
        stream: TextIO,
        *,
        on_terminal: bool,
        width: Callable[[], int] = lambda: message_width() or 80,
        now: Callable[[], float] = time.monotonic,
        ticks: bool = True,
    ) -> None:
        self._on_terminal, self._width, self._now, self._ticks = on_terminal, width, now, ticks
        self._bar = BARS[0] if streams.holds("━─", stream) else BARS[1]
        self._lock = threading.RLock()
        self._step: ProgressStep | None = None
        self._counted: dict[str, ProgressStep] = {}  # not over: steps within a job do not end one around it
        self._drawn = self._spoken = now()
        self._ended = threading.Event()
        self._ticker: threading.Thread | None = None
        self.label = ""

    def doing(self, what: str) -> None:
        """Begins a step that cannot be counted; "" ends the one at hand."""
        with self._lock:
            self._step = ProgressStep(what, self._now()) if what else None
            self._begin(new=True)

    def progress(self, done: int, total: int, what: str) -> None:
        """Moves the step that counts `what`, which may be a new one; with the last piece it is over."""
        with self._lock:
            step, now = self._step, self._now()
            counted = self._counted.get(what)
            if counted is None or counted.total != total or done < counted.done:
                self._counted[what] = counted = ProgressStep(what, now, total)
            counted.count(done, now=now)
            is_new, self._step = step is not counted, counted
            if done >= total:
                self._step = None
                del self._counted[what]
            self._begin(new=is_new)

    def detail(self, text: str) -> None:
        """Says in a few words where in the step at hand the command is."""
        with self._lock:
            if self._step is not None and self._step.detail != text:
                self._step.detail = text
                self._draw()

    def say(self, line: str) -> None:
        """One line that stays, above the live one; on a terminal it is broken between words."""
        with self._lock:
            streams.tell("\n".join(wrapped(line, self._width() if self._on_terminal else None)))
            self._spoken = self._now()
            self._draw()

    @contextlib.contextmanager
    def job(self, label: str) -> Iterator[None]:
        """Puts `label` before all lines of the body, whose steps end with it."""
        before, around = self.label, dict(self._counted)
        self.label = plain(label)
        try:
            yield
        finally:
            self.doing("")
            self.label, self._counted = before, around

    def labeled(self, line: str) -> str:
        """`line` behind the label of the job at hand: on a terminal as much of it as fits."""
        label = self.label
        if label and self._on_terminal:
            space = self._width() - 1 - cells(line) - 2
            label = shortened(label, space) if space >= LABEL_CELLS else ""
        return f"{label}  {line}" if label else line

    def end(self) -> None:
        """Leaves nothing that moves."""
        self._ended.set()
        with self._lock:
            self._step = None
            streams.draw("")
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None

    def tick(self) -> None:
        """Draws the line anew, or logs it where the last one was a minute ago."""
        with self._lock:
            if self._on_terminal:
                self._draw()
            elif self._step is not None and self._now() - self._spoken >= LOG_SECONDS:
                self.say(self._logged(self._step))

    def _begin(self, *, new: bool) -> None:
        """Shows the step at hand: at once where it is `new`, else with the next tick, which a busy step may hold up."""
        if self._step is None:
            streams.draw("")
            return
        if self._ticks and self._ticker is None and not self._ended.is_set():
            self._ticker = threading.Thread(target=self._tick_on, daemon=True, name="progress")
            self._ticker.start()
        if new or self._now() - self._drawn >= TICK_SECONDS:
            self.tick()

    def _tick_on(self) -> None:
        while not self._ended.wait(TICK_SECONDS):
            self.tick()

    def _draw(self) -> None:
        if self._on_terminal and self._step is not None:
            streams.draw(self._shown(self._step))
            self._drawn = self._now()

    def _shown(self, step: ProgressStep) -> str:
        """The live line, one cell short of the terminal's width, beyond which it would wrap."""
        now, width = self._now(), self._width() - 1
        what = plain(step.detail or step.what)
        if step.total is None:
            return shortened(self.labeled(f"{what}  {clock(now - step.begun)}"), width)
        numbers = "  ".join([f"{step.done}/{step.total}", *_pace(step, now=now)])
        least, most = BAR_CELLS
        text = shortened(what, max(width - cells(numbers) - least - 4, 1))
        space = width - cells(numbers) - least - 4 - cells(text) - 2
        if self.label and space >= LABEL_CELLS:
            text = f"{shortened(self.label, space)}  {text}"
        bar = self._filled(step.done / step.total, min(width - cells(text) - cells(numbers) - 4, most))
        return shortened(f"{text}  {bar}  {numbers}", width)

    def _filled(self, share: float, length: int) -> str:
        full = round(share * length)
        return self._bar[0] * full + self._bar[1] * (length - full)

    def _logged(self, step: ProgressStep) -> str:
        now = self._now()
        what = plain(step.detail or step.what)
        if step.total is None:
            return self.labeled(what if now - step.begun < 1 else f"{what}: {duration(now - step.begun)} so far")
        left = step.seconds_left(now=now)
        counted = f"{step.done} of {step.total} {step.what if step.detail else ''}".rstrip()
        speed = step.speed()
        parts = [counted, *([] if speed is None else [f"{_rate(speed)}"])]
        return self.labeled(f"{what}: " + ", ".join([*parts, *([f"{duration(left)} left"] if left else [])]))


def _pace(step: ProgressStep, *, now: float) -> list[str]:
    speed, left = step.speed(), step.seconds_left(now=now)
    return [] if speed is None or left is None else [_rate(speed), clock(left)]


def _rate(speed: float) -> str:
    """Pieces a second, or seconds a piece."""
    if speed >= 10:
        return f"{speed:.0f}/s"
    return f"{speed:.1f}/s" if speed >= 1 else f"{1 / speed:.1f} s each"
