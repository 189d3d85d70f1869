"""Shards of an extraction: runs of whole blocks, each written as a feature file of its own, and joined into one file.

A shard begins and ends where a block of the whole file does, so its batches are those of the whole, and its rows have
the same bits. Its file says in its spec which rows it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from extract.data.images import ImageSet
from extract.features.layout import Layout, SplitRows, block_ranges
from extract.features.store import FeatureFile, FeatureWriter

RowRanges = Mapping[str, tuple[int, int]]  # (start, stop) of the rows of each split


@dataclass(frozen=True)
class Shard:
    """Part `number`, from 0, of `count`: its rows of each split that it touches."""

    number: int
    count: int
    rows: RowRanges

    @property
    def image_count(self) -> int:
        """Images of the shard."""
        return sum(stop - start for start, stop in self.rows.values())

    def layout(self, whole: Layout) -> Layout:
        """The layout of the shard's own file, out of that of the whole one."""
        rows = {}
        for name, (start, stop) in self.rows.items():
            one = whole.splits[name]
            groups = None if one.groups is None else one.groups[start:stop]
            rows[name] = SplitRows(one.labels[start:stop], one.ids[start:stop], groups)
        spec = {**whole.spec, "shard": {name: list(own) for name, own in self.rows.items()}}
        return replace(whole, spec=spec, splits=rows)

    def images(self, whole: ImageSet) -> ImageSet:
        """The shard's images."""
        taken = {name: whole.splits[name].take(np.arange(*own)) for name, own in self.rows.items()}
        return replace(whole, splits=taken)

    def join(self, file: FeatureFile, writer: FeatureWriter) -> None:
        """Copies the shard's blocks to the whole file. Raises `CorruptFileError` at one that is damaged."""
        for name, (first, stop) in self.rows.items():
            for start, end in block_ranges(stop - first, writer.block_rows):
                writer.write(name, first + start, file.block(name, start, end))


def cut(layout: Layout, count: int) -> list[Shard]:
    """The `count` shards of a file, of about as many blocks each; fewer where it has fewer blocks."""
    blocks = [
        (name, start, stop)
        for name, rows in layout.splits.items()
        for start, stop in block_ranges(len(rows.labels), layout.block_rows)
    ]
    count = min(count, len(blocks))
    found = []
    for number in range(count):
        rows: dict[str, tuple[int, int]] = {}
        for name, start, stop in blocks[len(blocks) * number // count : len(blocks) * (number + 1) // count]:
            rows[name] = (rows.get(name, (start, stop))[0], stop)
        found.append(Shard(number, count, rows))
    return found


def is_made_as(file: FeatureFile, layout: Layout) -> bool:
    """Whether a file is the one of this layout: what its features are, of which rows, and what computed them."""
    made = (file.digest, file.engine, file.versions, file.class_names, file.skipped_ids)
    wanted = (layout.header()["digest"], layout.engine, layout.versions, layout.class_names, layout.skipped_ids)
    return made == wanted and file.shapes == {name: layout.shape(name) for name in layout.splits}


@dataclass(frozen=True)
class LentRows:
    """The rows of a shard in the feature file `whole`, which has them all."""

    whole: FeatureFile
    rows: RowRanges

    def block(self, split: str, start: int, stop: int) -> np.ndarray:
        """`FeatureFile.block` of the shard's rows `start` to `stop`."""
        first = self.rows[split][0]
        return self.whole.block(split, first + start, first + stop)
