"""Context of a run: everything about it that changes no result."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extract.features.extraction import Estimate


def _silent(*_: object) -> None:
    """Takes anything and says nothing."""


@dataclass(frozen=True)
class Context:
    """The workspace, the resolved device, and who hears about progress.

    `progress(done, total, what)` counts what is named ("images", "candidates"), `doing(what)` says what is done that
    cannot be counted, `status(sentence, over)` where in a long step the run is; a part that is `over` leaves its line.
    `notice(sentence)` takes messages, `estimated(estimate)` an `extract.features.extraction.Estimate` before a long
    run. Inside `job(label)` all that is shown belongs to that job of several. `share` is this process' part of a
    device that several jobs use at once. `study` is the name of the one that it computes for.
    """

    workspace: Path
    device: str = "cpu"
    progress: Callable[[int, int, str], None] = _silent
    notice: Callable[[str], None] = _silent
    estimated: Callable[["Estimate"], None] = _silent
    status: Callable[[str, bool], None] = _silent
    doing: Callable[[str], None] = _silent
    job: Callable[[str], AbstractContextManager[object]] = nullcontext
    notices: list[str] = field(default_factory=list, compare=False)
    share: float = 1.0
    study: str | None = None

    def tell(self, sentences: Iterable[str]) -> None:
        """Gives notice of what people should know of their data, each sentence once a command; `notices` keeps them."""
        for sentence in sentences:
            if sentence not in self.notices:
                self.notices.append(sentence)
                self.notice(sentence)

    def reading(self, done: int, total: int) -> None:
        """Progress of files that are read to know their content."""
        self.progress(done, total, "files")

    def fitting(self, done: int, total: int, what: str) -> None:
        """Progress of a head: its candidates and epochs; when they are over, what follows cannot be counted."""
        self.progress(done, total, what)
        if done >= total:
            self.doing("fitting the head")

    def counter(self, total: int, what: str) -> Callable[[int], None]:
        """Counts the pieces of `what` that it is told of, from none to `total`."""
        done = 0

        def add(count: int) -> None:
            nonlocal done
            done += count
            self.progress(done, total, what)

        add(0)
        return add
