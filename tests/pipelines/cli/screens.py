"""A terminal in memory: what a person sees of what a command has written to stderr."""

import io

import pyte

from pipelines.cli.terminal.live import Live
from pipelines.cli.terminal.reporter import Reporter


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Seen(io.StringIO):
    """stderr as a terminal of `columns` x 24; `encoding` as the stream says it."""

    encoding = "utf-8"

    def __init__(self, columns: int = 80) -> None:
        super().__init__()
        self.columns, self.clock = columns, Clock()
        self._screen = pyte.HistoryScreen(columns, 24)
        self._stream = pyte.Stream(self._screen)
        self._read = 0

    def reporter(self, *, on_terminal: bool = True, quiet: bool = False) -> Reporter:
        """A reporter that draws here, when it is told anything or `ticks`."""
        self.live = Live(self, on_terminal=on_terminal, width=lambda: self.columns, now=self.clock, ticks=False)
        return Reporter(as_json=False, quiet=quiet, live=self.live)

    def tick(self, seconds: float = 1.0) -> None:
        """Lets time pass, as the drawing thread sees it."""
        self.clock.seconds += seconds
        self.live.tick()

    def lines(self) -> list[str]:
        """The lines on the screen that are not empty."""
        text = self.getvalue()
        self._stream.feed(text[self._read :].replace("\n", "\r\n"))
        self._read = len(text)
        return [line.rstrip() for line in self._screen.display if line.strip()]
