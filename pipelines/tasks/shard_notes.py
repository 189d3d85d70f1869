"""Notes of shards: how far each is, at what rate and cost, beside its file; no feature depends on one."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from extract.runtime.machine import machine
from extract.runtime.typed_json import Count, Seconds
from pipelines.workspace import stored
from pipelines.workspace.context import Context
from pipelines.workspace.schema import Rate

if TYPE_CHECKING:
    from extract.features.extraction import Estimate, ExtractionTiming

NOTE_SECONDS = 1.0  # between two notes of a shard's progress


class ShardNote(Struct, frozen=True, kw_only=True):
    """Progress of a shard: `images` that are there, `seconds` of a device spent on them, killed attempts included.

    Of several shards that share the processors of a machine each counts its share of the time.
    """

    images: Count = 0
    seconds: Seconds = 0.0
    compile_seconds: Seconds = 0.0
    images_per_second: Rate = 0.0
    memory_bytes: Count = 0
    processor: str = ""
    threads: Count = 0


class ShardProgress:
    """Keeps the note of a shard, from what earlier attempts spent on it."""

    def __init__(self, path: Path, context: Context) -> None:
        import torch

        self._path, self._share = path.with_suffix(".json"), context.share
        self._before = read(self._path)
        self._note = structs.replace(self._before, processor=machine().processor, threads=torch.get_num_threads())
        self._begun = self._written = time.perf_counter()

    def progress(self, done: int, total: int) -> None:
        """So many images are there, those of earlier attempts among them."""
        now = time.perf_counter()
        seconds = self._before.seconds + (now - self._begun) * self._share
        self._note = structs.replace(self._note, images=done, seconds=seconds)
        if now - self._written >= NOTE_SECONDS:
            self._write()

    def estimated(self, estimate: "Estimate") -> None:
        """What the first batches show."""
        known = {"memory_bytes": estimate.memory_bytes, "images_per_second": estimate.images_per_second}
        self._note = structs.replace(self._note, **known)

    def end(self, timing: "ExtractionTiming") -> None:
        """The shard is finished."""
        seconds = self._before.seconds + timing.seconds * self._share
        compiling = self._before.compile_seconds + timing.compile_seconds * self._share
        self._note = structs.replace(self._note, seconds=seconds, compile_seconds=compiling)
        self._write()

    def _write(self) -> None:
        stored.write(self._path, self._note)
        self._written = time.perf_counter()


def read(path: Path) -> ShardNote:
    """The note of a shard; an empty one where there is none that is intact."""
    return stored.find(path, ShardNote) or ShardNote()
