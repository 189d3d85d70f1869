"""Where and how a run happens: everything about it that changes no result."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _silent(*_: Any) -> None:
    """Takes anything and says nothing."""


@dataclass(frozen=True)
class Context:
    """The workspace, the resolved device, and who hears about progress.

    `progress(done, total, what)` counts what is named ("images", "candidates"), `notice(sentence)` takes
    messages, `estimated(estimate)` takes an `extract.extraction.Estimate` before a long run, `status(sentence, over)`
    how a long step stands; `over` says that a part of it is finished, which is worth a line in a log.
    """

    workspace: Path
    device: str = "cpu"
    progress: Callable[[int, int, str], None] = _silent
    notice: Callable[[str], None] = _silent
    estimated: Callable[[Any], None] = _silent
    status: Callable[[str, bool], None] = _silent
    told: list[str] = field(default_factory=list, compare=False)

    def tell(self, sentences: Iterable[str]) -> None:
        """Gives notice of what people should know of their data, each sentence once a command; `told` keeps them."""
        for sentence in sentences:
            if sentence not in self.told:
                self.told.append(sentence)
                self.notice(sentence)
