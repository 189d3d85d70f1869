"""What a training needs beside the key that names it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from extract.data.datasets import Located
from pipelines.specs import NetworkKey, Source
from pipelines.training.head_init import Heading
from pipelines.workspace.context import Context


@dataclass(frozen=True)
class Inputs:
    """What training needs beside its key, which only digests it.

    `heading` gives the fitted head to the modes that start from one. `speed` are the options of the recipe that
    are not in the key because they change no result; `tensorboard` is where TensorBoard's files are written, with
    refit in the subfolders `chosen` and `refit`.
    """

    located: Located
    source: Source
    context: Context
    heading: Heading
    speed: dict[str, Any] = field(default_factory=dict)
    tensorboard: Path | None = None

    def checkpoints(self, key: NetworkKey) -> Path:
        """Where the state of an unfinished training of `key` is kept."""
        return self.context.workspace / "checkpoints" / key.run()
