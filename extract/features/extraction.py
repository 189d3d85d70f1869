"""The whole extraction: images x backbone -> one feature file. The order of the other modules stands here."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from extract.backbones import encoder
from extract.backbones.frozen import Backbone
from extract.data.images import ImageSet
from extract.features.embed import Embedder, FeatureBlock, Notice, stored
from extract.features.layout import Layout, SplitRows
from extract.features.sources import ImageSource, source
from extract.features.store import FeatureFile, FeatureWriter
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch
from extract.runtime.machine import package_versions
from extract.runtime.memory import Peak

Progress = Callable[[int, int], None]
USUAL_STEP = 256  # the most images that `automatic_batch_size` takes at once
BLOCK_ROWS = 512  # rows between two checksums, about: what a kill can cost
WRITES_AHEAD = 2


@dataclass(frozen=True)
class Estimate:
    """What a run will take, known after one batch: seconds left, bytes of the file, bytes of memory beside the data."""

    seconds: float
    file_bytes: int
    memory_bytes: int
    images_per_second: float


@dataclass(frozen=True)
class ExtractionTiming:
    """What a run took. `compile_seconds` is getting ready (weights to the precision, compiling, first batch).

    `images_per_second` leaves that out.
    """

    seconds: float
    compile_seconds: float
    images_computed: int
    images_per_second: float


@dataclass(frozen=True)
class Warm:
    """What it took in seconds to get ready, up to the first batch, and the rate that the second batch showed."""

    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class Computation:
    """How to compute: resolved device and precision, views, storage, images a step."""

    device: str
    precision: str
    views: str
    storage: str
    batch_size: int


def step_size(images: ImageSet, wanted: int) -> int:
    """Images a step where `wanted` were asked for: no more than the largest split has, whose rest would be padding.

    Up to `USUAL_STEP` it is what was asked for, so that a subset's features are those of the whole, to the bit.
    """
    return min(wanted, max([USUAL_STEP, *map(len, images.splits.values())]))


def plan(
    images: ImageSet, backbone: Backbone, *, spec: dict[str, Any], how: Computation, skipped_ids: tuple[str, ...] = ()
) -> tuple[Layout, str]:
    """The layout of the file to be made, and what keeps it from being compiled, if anything does."""
    count = sum(len(split) for split in images.splits.values()) * len(encoder.VIEWS[how.views])
    engine, reason = encoder.choose_engine(
        image_count=count, image_size=backbone.preprocessing.image_size, device=how.device
    )
    layout = Layout(
        spec=spec,
        versions=package_versions("torch", "timm", "h5py", "pillow", "numpy"),
        class_names=images.class_names,
        skipped_ids=skipped_ids,
        engine=engine,
        storage=how.storage,
        view_count=len(encoder.VIEWS[how.views]),
        dimension=backbone.dimension,
        block_rows=max(BLOCK_ROWS // how.batch_size, 1) * how.batch_size,
        splits={name: SplitRows(split.labels, split.ids) for name, split in images.splits.items()},
    )
    return layout, reason


def extract(
    images: ImageSet,
    backbone: Backbone,
    *,
    layout: Layout,
    how: Computation,
    path: Path,
    progress: Progress,
    notice: Notice,
    estimated: Callable[[Estimate], None],
    doing: Callable[[str], None] = lambda what: None,
    plain: FeatureFile | None = None,
) -> ExtractionTiming:
    """Writes the feature file `path`, going on where a killed run stopped, and says what it took.

    With `plain`, the feature file of the plain view made by the same engine (see `can_lend`), only the other views
    are computed; the bits are the same.

    `progress(done, total)` counts images, `notice` takes sentences, `estimated` one `Estimate` after the
    first batch, `doing` what is done before. The caller holds `store.locked(path)`.
    """
    watch, peak = Stopwatch(how.device), Peak(how.device)
    sources = {name: source(split.images, backbone.preprocessing) for name, split in images.splits.items()}
    total = sum(len(split) for split in images.splits.values())
    with memory_kept(), FeatureWriter(path, layout) as writer:
        missing = {name: writer.missing(name) for name in images.splits}
        left = sum(stop - start for ranges in missing.values() for start, stop in ranges)
        if writer.resumed and left < total:
            notice(f"{total - left} of {total} images were there already; going on with the rest")
        views = encoder.VIEWS[how.views][0 if plain is None else 1 :]
        doing("compiling the network" if layout.engine == "compiled" else "first batch")
        embedder, warm = _warmed(
            sources, missing, backbone=backbone, layout=layout, how=how, views=views, notice=notice
        )
        if warm is not None:
            rate = warm.images_per_second
            estimated(Estimate(left / rate, layout.file_bytes(), _memory_bytes(peak), rate))
        count = _Count(total - left, total, progress)
        for name, ranges in missing.items():
            blocks = embedder.blocks(sources[name], ranges, stepped=count.add)
            _write(
                writer,
                name,
                ids=images.splits[name].ids,
                storage=how.storage,
                blocks=_completed(blocks, split=name, plain=plain),
            )
        writer.finish()
    return _timing(watch.seconds(), warm=warm, computed=left)


def can_lend(plain: FeatureFile, layout: Layout) -> bool:
    """Whether the plain view of the file to be made as `layout` has the bits that stand in `plain`.

    The caller knows that their specs differ in the views only.
    """
    rows = {name: (1, len(split.labels), layout.dimension) for name, split in layout.splits.items()}
    made = (plain.engine, plain.versions, plain.storage, plain.skipped_ids, plain.shapes)
    return made == (layout.engine, layout.versions, layout.storage, layout.skipped_ids, rows)


def _completed(blocks: Iterator[FeatureBlock], *, split: str, plain: FeatureFile | None) -> Iterator[FeatureBlock]:
    """`blocks` with the rows of `plain` as their first view."""
    if plain is None:
        yield from blocks
        return
    for block in blocks:
        first = torch.from_numpy(plain.block(split, block.start, block.stop)).float()
        yield FeatureBlock(block.start, block.stop, torch.cat([first, block.features]))


class _Count:
    """Counts computed images for `progress`, from those that were there already."""

    def __init__(self, done: int, total: int, progress: Progress) -> None:
        self._done, self._total, self._progress = done, total, progress
        self.add(0)

    def add(self, rows: int) -> None:
        self._done += rows
        self._progress(self._done, self._total)


def _write(
    writer: FeatureWriter, name: str, *, ids: tuple[str, ...], storage: str, blocks: Iterator[FeatureBlock]
) -> None:
    """Writes blocks in a thread while the next ones are computed."""
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[None]] = deque()
        for block in blocks:
            features = stored(block.features, storage=storage, ids=ids[block.start : block.stop])
            pending.append(pool.submit(writer.write, name, block.start, features.numpy()))
            if len(pending) > WRITES_AHEAD:
                pending.popleft().result()  # an error of the writing thread is raised here
        while pending:
            pending.popleft().result()


def _warmed(
    sources: dict[str, ImageSource],
    missing: dict[str, list[tuple[int, int]]],
    *,
    backbone: Backbone,
    layout: Layout,
    how: Computation,
    views: Sequence[str],
    notice: Notice,
) -> tuple[Embedder, Warm | None]:
    """The embedder, and what it took to get ready: the first batch compiles, the second shows the rate."""
    watch = Stopwatch(how.device)
    resize = next(iter(sources.values())).resize
    one = encoder.Encoder(backbone, resize=resize, precision=how.precision)
    model = encoder.build(one, engine=layout.engine, device=how.device, views=views)
    embedder = Embedder(model, device=how.device, batch_size=how.batch_size, notice=notice)
    name = next((name for name, ranges in missing.items() if ranges), None)
    if name is None:
        return embedder, None
    start, stop = missing[name][0]
    first = [(start, min(start + how.batch_size, stop))]
    list(embedder.blocks(sources[name], first))
    ready_seconds, watch = watch.seconds(), Stopwatch(how.device)
    list(embedder.blocks(sources[name], first))
    return embedder, Warm(ready_seconds, (first[0][1] - first[0][0]) / watch.seconds())


def _timing(seconds: float, *, warm: Warm | None, computed: int) -> ExtractionTiming:
    if warm is None:
        return ExtractionTiming(seconds, 0.0, 0, 0.0)
    return ExtractionTiming(seconds, warm.seconds, computed, computed / max(seconds - warm.seconds, 1e-9))


def _memory_bytes(peak: Peak) -> int:
    """The peak, or what is taken now where the system does not tell it."""
    import psutil

    return peak.bytes() or psutil.Process().memory_info().rss
