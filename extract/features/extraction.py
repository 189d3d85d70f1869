"""The whole extraction: images x backbone -> one feature file. The order of the other modules stands here."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from extract.backbones.frozen import Backbone
from extract.data.images import ImageSet
from extract.features import embed, engines
from extract.features.embed import Embedder, FeatureBlock, ImageSource, Notice, Ranges
from extract.features.layout import Layout, SplitRows
from extract.features.shards import LentRows
from extract.features.store import FeatureFile, FeatureWriter
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch
from extract.runtime.machine import package_versions
from extract.runtime.memory import Peak

Progress = Callable[[int, int], None]
USUAL_STEP = 256  # the most images that `automatic_batch_size` takes at once
BLOCK_ROWS = 512  # rows between two checksums, about: what a kill can cost
FEW_BATCHES = 4  # of an eager network, before which two more to learn its rate are not worth their time
WRITES_AHEAD = 2


@dataclass(frozen=True)
class Estimate:
    """Estimate of a run, known after one batch: seconds left, bytes of the file, bytes of memory beside the data."""

    seconds: float
    file_bytes: int
    memory_bytes: int
    images_per_second: float


@dataclass(frozen=True)
class ExtractionTiming:
    """Timing of a run. `compile_seconds` is getting ready (weights to the precision, compiling, two batches).

    `images_per_second` leaves that out.
    """

    seconds: float
    compile_seconds: float
    images_computed: int
    images_per_second: float


@dataclass(frozen=True)
class Computation:
    """Settings of the computation: resolved device and precision, views, storage, images a batch, engine or auto."""

    device: str
    precision: str
    views: str
    storage: str
    batch_size: int
    inference: str = "auto"


def step_size(images: ImageSet, batch_size: int) -> int:
    """Images per step for a requested `batch_size`: no more than the largest split has, whose rest would be padding.

    Up to `USUAL_STEP` it is the request, so that a subset's features are those of the whole, to the bit.
    """
    return min(batch_size, max([USUAL_STEP, *map(len, images.splits.values())]))


def plan(
    images: ImageSet,
    backbone: Backbone,
    *,
    spec: Mapping[str, object],
    config: Computation,
    skipped_ids: tuple[str, ...] = (),
) -> tuple[Layout, str]:
    """The layout of the file to be made, and what keeps it from being compiled, if anything does."""
    view_count = len(embed.VIEWS[config.views])
    engine, reason = engines.choose_engine(
        config.inference,
        network=backbone.module,
        precision=config.precision,
        image_count=images.image_count * view_count,
        image_size=backbone.preprocessing.image_size,
        device=config.device,
    )
    layout = Layout(
        spec=spec,
        versions=package_versions("torch", "timm", "h5py", "pillow", "numpy", *engines.PACKAGES[engine]),
        class_names=images.class_names,
        skipped_ids=skipped_ids,
        engine=engine,
        storage=config.storage,
        view_count=view_count,
        dimension=backbone.dimension,
        block_rows=max(BLOCK_ROWS // config.batch_size, 1) * config.batch_size,
        splits={name: SplitRows(split.labels, split.ids, split.groups) for name, split in images.splits.items()},
    )
    return layout, reason


def extract(
    images: ImageSet,
    backbone: Backbone,
    *,
    layout: Layout,
    config: Computation,
    path: Path,
    progress: Progress,
    notice: Notice,
    estimated: Callable[[Estimate], None],
    doing: Callable[[str], None] = lambda what: None,
    plain: FeatureFile | LentRows | None = None,
) -> ExtractionTiming:
    """Writes the feature file `path`, going on where a killed run stopped, and says what it took.

    With `plain`, the feature file of the plain view made by the same engine (see `can_lend`), only the other views
    are computed; the bits are the same.

    `progress(done, total)` counts images, `notice` takes sentences, `estimated` one `Estimate` after the
    first batch of many, `doing` what is done before. The caller holds `store.locked(path)`.
    """
    watch, peak = Stopwatch(config.device), Peak(config.device)
    with memory_kept(), FeatureWriter(path, layout) as writer:
        missing = {name: writer.missing(name) for name in images.splits}
        left = _row_count(missing)
        present = images.image_count - left
        if writer.resumed and present:
            notice(f"{present} of {images.image_count} images were there already; going on with the rest")
        doing("first batch" if layout.engine == "eager" else "compiling the network")
        warm = _warmed(images, missing, backbone=backbone, layout=layout, config=config, notice=notice, plain=plain)
        if warm.images_per_second:
            estimated(_estimate(left, warm.images_per_second, layout=layout, peak=peak))
        count = _Count(present, images.image_count, progress)
        for name, ranges in missing.items():
            blocks = warm.embedder.blocks(warm.sources[name], ranges, stepped=count.add)
            _write(writer, name, images.splits[name].ids, _completed(blocks, split=name, plain=plain))
        writer.finish()
    seconds = watch.seconds()
    rate = left / max(seconds - warm.seconds, 1e-9)
    return ExtractionTiming(seconds, warm.seconds, left, rate)


def can_lend(plain: FeatureFile, layout: Layout) -> bool:
    """Whether the plain view of the file to be made as `layout` has the bits that stand in `plain`.

    The caller knows that their specs differ in the views only.
    """
    rows = {name: (1, len(split.labels), layout.dimension) for name, split in layout.splits.items()}
    made = (plain.engine, plain.versions, plain.storage, plain.skipped_ids, plain.shapes)
    return made == (layout.engine, layout.versions, layout.storage, layout.skipped_ids, rows)


@dataclass(frozen=True)
class _Warm:
    """What computes, after `seconds` of getting ready, at the rate that a second batch showed; 0 where none did."""

    sources: dict[str, ImageSource]
    embedder: Embedder
    seconds: float = 0.0
    images_per_second: float = 0.0


def _warmed(
    images: ImageSet,
    missing: Mapping[str, Ranges],
    *,
    backbone: Backbone,
    layout: Layout,
    config: Computation,
    notice: Notice,
    plain: FeatureFile | LentRows | None,
) -> _Warm:
    """The embedder, ready: the first batch compiles, the second shows the rate; neither where few images are left."""
    watch = Stopwatch(config.device)
    sources = {name: embed.source(split.images, backbone.preprocessing) for name, split in images.splits.items()}
    resize = next(iter(sources.values())).resize
    encoder = embed.Encoder(backbone, resize=resize, precision=config.precision)
    views = embed.VIEWS[config.views][0 if plain is None else 1 :]
    embedder = engines.embedder(
        encoder, engine=layout.engine, device=config.device, batch_size=config.batch_size, notice=notice, views=views
    )
    if _row_count(missing) <= (FEW_BATCHES * config.batch_size if layout.engine == "eager" else 0):
        return _Warm(sources, embedder, watch.seconds())
    name = next(name for name, ranges in missing.items() if ranges)
    start, stop = missing[name][0]
    first = [(start, min(start + embedder.step_rows, stop))]
    list(embedder.blocks(sources[name], first))
    second = Stopwatch(config.device)
    list(embedder.blocks(sources[name], first))
    return _Warm(sources, embedder, watch.seconds(), (first[0][1] - first[0][0]) / second.seconds())


def _completed(
    blocks: Iterator[FeatureBlock], *, split: str, plain: FeatureFile | LentRows | None
) -> Iterator[FeatureBlock]:
    for block in blocks:
        if plain is None:
            yield block
            continue
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


def _write(writer: FeatureWriter, name: str, ids: tuple[str, ...], blocks: Iterator[FeatureBlock]) -> None:
    with ThreadPoolExecutor(1) as pool:
        pending: deque[Future[None]] = deque()
        for block in blocks:
            features = embed.stored(block.features, storage=writer.storage, ids=ids[block.start : block.stop])
            pending.append(pool.submit(writer.write, name, block.start, features.numpy()))
            if len(pending) > WRITES_AHEAD:
                pending.popleft().result()  # an error of the writing thread is raised here
        while pending:
            pending.popleft().result()


def _row_count(missing: Mapping[str, Ranges]) -> int:
    return sum(stop - start for ranges in missing.values() for start, stop in ranges)


def _estimate(left: int, images_per_second: float, *, layout: Layout, peak: Peak) -> Estimate:
    memory_bytes = peak.bytes() or psutil.Process().memory_info().rss  # what is taken now where no peak is known
    return Estimate(left / images_per_second, layout.file_bytes(), memory_bytes, images_per_second)
