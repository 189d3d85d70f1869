"""What the tests of studies share."""

from pathlib import Path

import pytest


@pytest.fixture
def written(tmp_path):
    """Writes a study file and gives its path."""

    def write(text: str, name: str = "study.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write
