"""An extraction in shards: each is a job of its own, perhaps on another machine, and its file is joined to the whole.

The shards stand in `features/<file>.shards/`, each with a note of its progress, until all of them are joined. What was
joined, what is finished and the finished blocks of what is not are there again after any end.
"""

import contextlib
import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from extract.data.bad_images import files, refused_together
from extract.errors import CorruptFileError, InvalidInputError, TransferBenchError
from extract.features.layout import canonical_json
from extract.runtime.memory import enough_for
from pipelines.specs import ExtractKey, ExtractSpec
from pipelines.tasks import shard_notes
from pipelines.tasks.extract import LESS_MEMORY, ReadyExtraction, extraction_inputs, plain_view, ready
from pipelines.tasks.features import intact, shards_folder
from pipelines.tasks.shard_notes import NOTE_SECONDS, ShardNote, ShardProgress
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from extract.features.extraction import ExtractionTiming
    from extract.features.layout import Layout
    from extract.features.shards import Shard
    from extract.features.store import FeatureFile, FeatureWriter

SETTLING_SECONDS = 10.0  # from the first shard's first batch until the estimate, in which others begin


@dataclass(frozen=True)
class ShardRequest:
    """Shard `number`, from 0, of `count` of an extraction.

    `layout` is a digest of what the whole file will be but for its features, which the worker must find too; `bad` are
    the ids of unreadable images that are left out.
    """

    number: int
    count: int
    layout: str
    bad: tuple[str, ...]


Done = Callable[[ShardRequest], None]
Runner = Callable[[ExtractKey, Sequence[ShardRequest], Done], None]


def joined(
    one: ReadyExtraction, context: Context, *, plain: "FeatureFile | None", count: int, run: Runner
) -> "ExtractionTiming":
    """Makes the feature file of an extraction in `count` shards, which `run` computes; a `tasks.extract.Compute`.

    `run(key, requests, done)` calls `done(request)` after each shard, in this thread. Computed is what is missing.
    The shards find a `plain` view by themselves. Raises `TransferBenchError` where a shard is not there in the end.
    """
    from extract.features.shards import cut
    from extract.features.store import FeatureWriter

    with FeatureWriter(one.path, one.layout) as writer:
        join = _Join(one, writer, cut(one.layout, count), context)
        with join.watched():
            run(one.key, [join.request(shard) for shard in join.open_shards()], join.done)
        writer.finish()
    return join.timing()


def compute(spec: ExtractSpec, request: ShardRequest, context: Context) -> bool:
    """Makes the file of one shard, going on where a killed worker stopped; whether it was there already.

    Raises `TransferBenchError` where this machine would make another file than the one that is asked for.
    """
    from extract.features import extraction, store
    from extract.features.shards import LentRows, cut

    with enough_for("extraction", remedy=LESS_MEMORY):
        one = _ready(spec, context, layout=request.layout, bad=request.bad)
        shard = cut(one.layout, request.count)[request.number]
        path, layout, images = shard_path(one.path, request), shard.layout(one.layout), shard.images(one.images)
        path.parent.mkdir(exist_ok=True)
        with store.locked(path), refused_together(*files(images)):
            if _is_there(path, layout):
                return True
            note = ShardProgress(path, context)
            plain = plain_view(one)
            timing = extraction.extract(
                images,
                one.backbone,
                layout=layout,
                config=one.config,
                path=path,
                progress=note.progress,
                notice=context.notice,
                estimated=note.estimated,
                plain=None if plain is None else LentRows(plain, shard.rows),
            )
            note.end(timing)
    return False


def _is_there(path: Path, layout: "Layout") -> bool:
    """Whether the file at `path` is the one to be made. It is closed again: Windows replaces no open file."""
    from extract.features.shards import is_made_as

    file = intact(path)
    return file is not None and is_made_as(file, layout)


@functools.lru_cache(maxsize=1)  # a worker does several shards of an extraction, one after the other
def _ready(spec: ExtractSpec, context: Context, *, layout: str, bad: tuple[str, ...]) -> ReadyExtraction:
    key, inputs = extraction_inputs(spec, context)
    one = ready(key, replace(inputs, bad=bad))
    if _digest(one.layout) != layout:
        raise TransferBenchError(
            "worker must make the same file as the command, of the same data by the same versions; got "
            f"{one.images.image_count} images, {one.layout.engine}, {one.layout.versions}. Install the same there."
        )
    return one


def shard_path(path: Path, request: ShardRequest) -> Path:
    """The file of a shard of the feature file `path`."""
    return shards_folder(path) / f"{request.number + 1}-of-{request.count}.h5"


def _digest(layout: "Layout") -> str:
    rows = {name: len(split.labels) for name, split in layout.splits.items()}
    return hashlib.sha256(canonical_json([layout.header(), rows]).encode()).hexdigest()


class _Join:
    """The whole file as its shards end, and what is known of all of them."""

    def __init__(
        self, one: ReadyExtraction, writer: "FeatureWriter", shards: Sequence["Shard"], context: Context
    ) -> None:
        self._one, self._writer, self._shards, self._context = one, writer, shards, context
        self._missing = {name: {start for start, _ in writer.missing(name)} for name in one.layout.splits}
        self._over = threading.Event()
        self._is_estimated = False
        self._first_seen: float | None = None

    def request(self, shard: "Shard") -> ShardRequest:
        """What a worker needs to know of a shard."""
        return ShardRequest(shard.number, shard.count, _digest(self._one.layout), self._one.layout.skipped_ids)

    def open_shards(self) -> list["Shard"]:
        """The shards of which the whole file lacks blocks. Joins those whose files are there, of an earlier command."""
        missing = [shard for shard in self._shards if self._lacks(shard)]
        for shard in missing:
            self._joined(shard)
        there = self._one.images.image_count - sum(shard.image_count for shard in self._shards if self._lacks(shard))
        if there:
            total = self._one.images.image_count
            self._context.notice(f"{there} of {total} images were there already; going on with the rest")
        return [shard for shard in missing if self._lacks(shard)]

    def done(self, request: ShardRequest) -> None:
        """Joins the shard that was computed; `CorruptFileError` where it is not as it must be."""
        if not self._joined(self._shards[request.number]):
            path = shard_path(self._one.path, request)
            raise CorruptFileError(f"shard must be intact; got {str(path)!r}, which is not. Start again.")

    def _lacks(self, shard: "Shard") -> bool:
        return any(not self._missing[name].isdisjoint(starts) for name, starts in self._blocks(shard))

    def _joined(self, shard: "Shard") -> bool:
        """Whether the file of the shard is as it must be; then its blocks are in the whole file, and it is gone."""
        path = shard_path(self._one.path, self.request(shard))
        if not self._took(path, shard):
            return False
        for name, starts in self._blocks(shard):
            self._missing[name].difference_update(starts)
        path.unlink()
        return True

    def _took(self, path: Path, shard: "Shard") -> bool:
        """Whether the file at `path` is as it must be; then its blocks are in the whole file, and it is closed."""
        from extract.features.shards import is_made_as
        from extract.features.store import FeatureFile

        try:
            file = FeatureFile(path)
            is_right = is_made_as(file, shard.layout(self._one.layout))
            if is_right:
                shard.join(file, self._writer)
        except InvalidInputError:  # there is none, or one that is damaged
            return False
        return is_right

    def _blocks(self, shard: "Shard") -> list[tuple[str, range]]:
        return [(name, range(*own, self._one.layout.block_rows)) for name, own in shard.rows.items()]

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Tells the progress of all shards while the body runs."""
        watcher = threading.Thread(target=self._watch, daemon=True, name="shards")
        watcher.start()
        try:
            yield
        finally:
            self._over.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(NOTE_SECONDS):
            self._tell([self._note(shard) for shard in self._shards if self._lacks(shard)])

    def _tell(self, notes: Sequence[ShardNote]) -> None:
        from extract.features.extraction import Estimate

        total = self._one.images.image_count
        left = sum(shard.image_count for shard in self._shards if self._lacks(shard)) - sum(one.images for one in notes)
        self._context.progress(total - left, total, "images")
        rate = sum(one.images_per_second for one in notes)
        if not rate or self._is_estimated:
            return
        self._first_seen = self._first_seen or time.monotonic()
        if time.monotonic() - self._first_seen >= SETTLING_SECONDS:
            self._is_estimated = True
            memory = sum(one.memory_bytes for one in notes)
            self._context.estimated(Estimate(left / rate, self._one.layout.file_bytes(), memory, rate))

    def _note(self, shard: "Shard") -> ShardNote:
        return shard_notes.read(shard_path(self._one.path, self.request(shard)).with_suffix(".json"))

    def timing(self) -> "ExtractionTiming":
        """What all shards took, in seconds of one device."""
        from extract.features.extraction import ExtractionTiming

        notes = [self._note(shard) for shard in self._shards]
        self._tell_differences(notes)
        seconds, compiling = sum(one.seconds for one in notes), sum(one.compile_seconds for one in notes)
        images = sum(one.images for one in notes)
        return ExtractionTiming(seconds, compiling, images, images / max(seconds - compiling, 1e-9))

    def _tell_differences(self, notes: Sequence[ShardNote]) -> None:
        """Gives notice of what may give other last bits than one process here: other processors, fewer threads."""
        import torch

        kinds = sorted({one.processor for one in notes if one.processor})
        if len(kinds) > 1:
            self._context.notice(
                f"shards were computed by several kinds of processors ({', '.join(kinds)}): the last bits of a row "
                "may be others than one of them would give"
            )
        own, others = torch.get_num_threads(), {one.threads for one in notes if one.threads}
        if self._one.config.device == "cpu" and self._depends_on_threads() and others - {own}:
            self._context.notice(
                f"shards were computed with {', '.join(map(str, sorted(others)))} threads: the last bits of a row may "
                f"be others than those of one process with {own}"
            )

    def _depends_on_threads(self) -> bool:
        """oneDNN sums up the channels of float32 convolutions in parts, by the number of threads, as torch's code does.

        OpenVINO computes each of its batches on one.
        """
        return self._one.layout.engine == "compiled" or (
            self._one.layout.engine == "eager" and self._one.config.precision == "float32"
        )
