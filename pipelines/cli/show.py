"""What a command prints: one JSON object or a few lines to stdout; progress and messages to stderr."""

import json
import re
import sys
from typing import Any

LONG_RUN_SECONDS = 10.0  # below this an estimate would only be noise


class Reporter:
    """Prints for one command. As a context manager it ends the progress bar whatever happens.

    `quiet` prints nothing at all: of several processes that work together, only the first speaks.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False) -> None:
        self._as_json, self._quiet = as_json, quiet
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar, self._tasks = None, {}

    def result(self, values: dict[str, Any], text: str) -> None:
        """The command's answer: `values` with --json, else `text`."""
        self.__exit__()
        if self._quiet:
            return
        print(escaped(json.dumps(values, ensure_ascii=False), depth=2) if self._as_json else escaped(text))  # noqa: T201

    def notice(self, sentence: str) -> None:
        """One message to stderr."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.console.print(sentence, markup=False, highlight=False)
        else:
            print(sentence, file=sys.stderr)  # noqa: T201

    def estimated(self, estimate: Any) -> None:
        """What a long run will take."""
        if estimate.seconds < LONG_RUN_SECONDS:
            return
        sizes = {"on disk": estimate.file_bytes, "in memory": estimate.memory_bytes}
        parts = [f"{size(count)} {where}" for where, count in sizes.items() if count]
        took = f"estimate: {duration(estimate.seconds)} at {estimate.images_per_second:.0f} images a second"
        self.notice(", ".join([took, *parts]))

    def status(self, sentence: str, over: bool) -> None:
        """How a long step stands: beside the bar on a terminal; in a log, a line for every part that is `over`."""
        if self._bar is not None and self._bar.console.is_terminal:
            self._bar.update(next(reversed(self._tasks.values())), detail=sentence)
        elif over:
            self.notice(sentence)

    def progress(self, done: int, total: int, what: str) -> None:
        """Moves the bar of `what` is counted: how many are done, rate, time left."""
        if self._quiet:
            return
        bar = self._bar or self._start()
        if what not in self._tasks:
            self._tasks[what] = bar.add_task(what, total=total, detail="")
        bar.update(self._tasks[what], completed=done, total=total)

    def _start(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        self._bar = Progress(
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            _rate_column(),
            TimeRemainingColumn(),
            "{task.fields[detail]}",
            console=Console(stderr=True),
            speed_estimate_period=60,
        )
        self._bar.start()
        return self._bar


def _rate_column() -> Any:
    from rich.progress import ProgressColumn, Task
    from rich.text import Text

    class Rate(ProgressColumn):
        """Images a second."""

        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.0f}/s" if task.speed else "")

    return Rate()


def escaped(text: str, *, depth: int = 1) -> str:
    r"""`text` that UTF-8 can hold: bytes of a file name that were none are written as \udcff, as text.

    `depth` counts the backslashes before it: in JSON, where a lone surrogate is no text to most readers, two are one.
    """
    return re.sub("[\ud800-\udfff]", lambda found: "\\" * depth + f"u{ord(found[0]):04x}", text)


def table(columns: list[str], rows: list[list[str]]) -> str:
    """Rows under their columns, padded; the first column to the left, the others to the right."""
    widths = [max(len(row[index]) for row in [columns, *rows]) for index in range(len(columns))]
    lines = []
    for row in [columns, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """Seconds for people: 3.2 s, 5 min 12 s, 2 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def size(count: float) -> str:
    """Bytes for people, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
