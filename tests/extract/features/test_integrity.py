"""The integrity header: an altered or truncated file is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.errors import CorruptFileError
from extract.features.store import FeatureFile
from tests.extract.features.written import ROWS, features_of, make_layout


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=300)
def test_a_flipped_bit_anywhere_is_refused_or_changes_nothing(whole, tmp_path_factory, place, bit):
    content = bytearray(whole)
    content[int(place * len(content))] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.h5"
    path.write_bytes(content)
    try:
        file = FeatureFile(path)
        for name, count in ROWS.items():
            read = file.read(name)
            assert np.array_equal(read.features, features_of(name, 0, count))
            assert np.array_equal(read.labels, np.arange(count) % 2)
            assert read.ids == tuple(f"{name}/{row}" for row in range(count))
        assert file.class_names == ("a", "b")
        assert file.spec == make_layout().spec
    except CorruptFileError:
        pass


@pytest.mark.parametrize("keep", [0, 1, 7, 100, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(whole, tmp_path, keep):
    length = keep if isinstance(keep, int) else int(keep * len(whole))
    (tmp_path / "f.h5").write_bytes(whole[:length])
    with pytest.raises(CorruptFileError, match=r"f\.h5"):
        FeatureFile(tmp_path / "f.h5").verify()
