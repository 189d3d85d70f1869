"""Output of a command: one JSON object or a few lines to stdout; progress and messages to stderr."""

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from extract.runtime.formats import duration, size
from pipelines.cli.terminal import streams
from pipelines.cli.terminal.live import Live
from pipelines.cli.terminal.text import OBEYED, message_width, plain, terminal_width, wrapped

if TYPE_CHECKING:
    from extract.features.extraction import Estimate

Values = dict[str, Any]  # by name: the options of a command line, and what it answers as JSON
LONG_RUN_SECONDS = 10.0  # below this an estimate would only be noise
SURROGATES = re.compile("[\ud800-\udfff]")


class Reporter:
    """Speaks for one command. As a context manager it ends the live line whatever happens.

    `quiet` leaves out progress and messages. `silent` prints nothing at all: of several processes that work together,
    only the first speaks.
    """

    def __init__(self, *, as_json: bool, quiet: bool = False, silent: bool = False, live: Live | None = None) -> None:
        self._as_json, self._quiet, self._silent = as_json, quiet or silent, silent
        self._live = live or Live(sys.stderr, on_terminal=_is_terminal())
        self._notices: list[str] | None = None

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.end()

    def result(self, values: Values, lines: Iterable[str]) -> None:
        """The command's answer: `values` with --json, else `lines`, in which nothing moves a terminal.

        On a terminal, lines are broken between words. Messages on the data stand in `values` as `notices`.
        """
        self._live.end()
        if self._notices is not None:
            values = {**values, "notices": self._notices}
        if self._silent:
            return
        width = terminal_width()
        shown = [part for line in lines for part in wrapped(plain(line), width)]
        streams.answer(json_text(values) if self._as_json else "\n".join(shown))

    def notices(self) -> list[str]:
        """Notices of a command that reads data (`Context.notices`)."""
        self._notices = [] if self._notices is None else self._notices
        return self._notices

    def notice(self, sentence: str) -> None:
        """One message to stderr."""
        if not self._quiet:
            self._live.say(one_line(sentence))

    def estimated(self, estimate: "Estimate") -> None:
        """Print the estimate of a long run."""
        if estimate.seconds < LONG_RUN_SECONDS:
            return
        sizes = {"on disk": estimate.file_bytes, "in memory": estimate.memory_bytes}
        parts = [f"{size(count)} {where}" for where, count in sizes.items() if count]
        took = f"estimate: {duration(estimate.seconds)} at {estimate.images_per_second:.0f} images/s"
        self.notice(", ".join([took, *parts]))

    def status(self, sentence: str, over: bool) -> None:
        """Print the progress within a long step; for a part that is `over`, a line that stays."""
        if self._quiet:
            return
        if over:
            self._live.say(self._live.labeled(one_line(sentence)))
        else:
            self._live.detail(sentence)

    def progress(self, done: int, total: int, what: str) -> None:
        """Moves the bar of `what` is counted: how many are done, speed, time left."""
        if not self._quiet:
            self._live.progress(done, total, what)

    def doing(self, what: str) -> None:
        """Shows what is being done where nothing can be counted; "" for nothing."""
        if not self._quiet:
            self._live.doing(what)

    def job(self, label: str) -> contextlib.AbstractContextManager[None]:
        """Puts `label` before all that is shown of the body."""
        return self._live.job(label)


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")


def tell_failure(sentence: str) -> None:
    """`error: ` and `sentence` to stderr; on a terminal broken between words."""
    width = message_width()
    echo = streams.ERASE if width else ""  # the ^C that a terminal shows where it was typed
    streams.tell(echo + "\n".join(wrapped(f"error: {one_line(sentence)}", width)))


def one_line(sentence: str) -> str:
    """`sentence` on one line, in which nothing moves a terminal."""
    return plain(" ".join(sentence.split("\n")))


def json_text(values: Values) -> str:
    r"""`values` as JSON that stdout can hold and that moves no terminal.

    Lone surrogates (bytes of a file name that are no text) are no text to most readers: they become \\udcff.
    """
    text = SURROGATES.sub(lambda found: f"\\\\u{ord(found[0]):04x}", json.dumps(values, ensure_ascii=False))
    text = OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text if streams.holds(text, streams.stdout()) else json.dumps(json.loads(text))
