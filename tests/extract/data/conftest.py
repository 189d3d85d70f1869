"""A data set of images in a folder."""

from pathlib import Path

import pytest

from tests.extract.data.laid import PLAIN, lay


@pytest.fixture
def plain(tmp_path) -> Path:
    """Two classes of two images."""
    return lay(tmp_path / "D", *PLAIN)
