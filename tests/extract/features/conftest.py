"""A feature file for the tests of this folder."""

import pytest

from tests.extract.features.written import make_layout, write_all


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "f.h5"
    write_all(path, make_layout())
    return path.read_bytes()
