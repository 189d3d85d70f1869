"""Shards: every block in one of them, and the joined file the same bytes as one that was written at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import CorruptFileError
from extract.features.layout import SplitRows
from extract.features.shards import LentRows, cut, is_made_as
from extract.features.store import FeatureFile, FeatureWriter
from tests.extract.features.written import features_of, make_layout


def shard_files(folder, layout, count):
    """(shard, its complete file) for each of `count` shards."""
    for shard in cut(layout, count):
        own = shard.layout(layout)
        path = folder / f"{shard.number}.h5"
        with FeatureWriter(path, own) as writer:
            for name, (first, _) in shard.rows.items():
                for start, stop in writer.missing(name):
                    writer.write(name, start, features_of(name, first + start, first + stop))
            writer.finish()
        yield shard, FeatureFile(path)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(1, 40))
def test_every_block_is_in_one_shard_and_their_sizes_differ_by_one(train, test, block_rows, count):
    splits = {
        name: SplitRows(np.zeros(rows, np.int64), tuple(map(str, range(rows))))
        for name, rows in (("train", train), ("test", test))
    }
    shards = cut(make_layout(splits=splits, block_rows=block_rows), count)
    blocks = -(-train // block_rows) - (-test // block_rows)
    assert len(shards) == min(count, blocks)
    sizes = [sum(-(-(stop - start) // block_rows) for start, stop in shard.rows.values()) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    for name, rows in (("train", train), ("test", test)):
        ranges = [shard.rows[name] for shard in shards if name in shard.rows]
        assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
        assert ranges[-1][1] == rows
        assert all(start % block_rows == 0 for start, _ in ranges)


@pytest.mark.parametrize(("count", "block_rows"), [(1, 16), (2, 16), (3, 16), (5, 64), (99, 64)])
def test_joined_shards_are_the_file_that_is_written_at_once(tmp_path, count, block_rows):
    layout = make_layout(block_rows=block_rows)
    for path, parts in ((tmp_path / "whole.h5", 1), (tmp_path / "joined.h5", count)):
        (folder := tmp_path / path.stem).mkdir()
        with FeatureWriter(path, layout) as writer:
            for shard, file in shard_files(folder, layout, parts):
                shard.join(file, writer)
            writer.finish()
    whole = FeatureFile(tmp_path / "whole.h5")
    assert np.array_equal(whole.read("test").features, features_of("test", 0, 37))
    assert (tmp_path / "joined.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()
    shard = cut(layout, count)[-1]
    name, (start, stop) = list(shard.rows.items())[-1]
    assert np.array_equal(
        LentRows(whole, shard.rows).block(name, 0, min(block_rows, stop - start)),
        features_of(name, start, min(start + block_rows, stop)),
    )


def test_a_shard_of_another_spec_engine_or_range_is_told_apart(tmp_path):
    layout = make_layout()
    (first, file), (second, _) = list(shard_files(tmp_path, layout, 2))
    assert is_made_as(file, first.layout(layout))
    assert not is_made_as(file, second.layout(layout))
    assert not is_made_as(file, layout)
    assert not is_made_as(file, first.layout(make_layout(engine="compiled")))
    assert not is_made_as(file, first.layout(make_layout(versions={"numpy": "0"})))
    assert not is_made_as(file, first.layout(make_layout(spec={**layout.spec, "pool": "max"})))


def test_a_damaged_block_is_not_joined(tmp_path):
    layout = make_layout()
    (shard, file), *_ = list(shard_files(tmp_path, layout, 3))
    content = bytearray(file.path.read_bytes())
    place = content.find(features_of("train", 3, 4)[0].tobytes())
    content[place] ^= 1
    file.path.write_bytes(content)
    with FeatureWriter(tmp_path / "joined.h5", layout) as writer, pytest.raises(CorruptFileError, match="checksum"):
        shard.join(FeatureFile(file.path), writer)
