"""What binds a feature file together: digests that follow every value, and blocks that cover every row."""

import numpy as np
import pytest

from extract.features import layout
from tests.extract.features.written import SPEC, make_layout


@pytest.mark.parametrize(("rows", "block"), [(1, 16), (16, 16), (17, 16), (100, 7)])
def test_blocks_cover_every_row_once(rows, block):
    covered = [row for start, stop in layout.block_ranges(rows, block) for row in range(start, stop)]
    assert covered == list(range(rows))


def test_a_spec_is_another_with_every_value_but_the_name_of_its_data_set():
    renamed = {**SPEC, "dataset": {**SPEC["dataset"], "name": "moved"}}
    assert layout.spec_digest(renamed) == layout.spec_digest(SPEC)
    for name in SPEC.keys() - {"dataset"}:
        assert layout.spec_digest({**SPEC, name: "other"}) != layout.spec_digest(SPEC)


def test_equal_values_have_one_text():
    assert layout.canonical_json({"b": 1, "a": [1, 2]}) == layout.canonical_json({"a": [1, 2], "b": 1})


def test_a_checksum_follows_every_bit():
    block = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float16)
    altered = block.copy()
    altered.view(np.uint16)[1, 4, 7] ^= 1
    assert layout.block_checksum(altered) != layout.block_checksum(block)
    assert layout.block_checksum(np.asfortranarray(block)) == layout.block_checksum(block)


def test_the_size_is_known_before_the_first_feature_within_some_kilobytes():
    made = make_layout()
    features = sum(np.prod(made.shape(split)) for split in made.splits) * np.dtype(made.storage).itemsize
    assert features < made.file_bytes() < features + 8192
