"""Raw images by path: the way each one takes."""

import pytest
from PIL import Image

from extract.data.images import Files
from extract.errors import TransferBenchError
from pipelines.predict import pictures


@pytest.fixture
def path(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, KeyError, OSError])
def test_whatever_opening_a_damaged_image_raises_it_is_left_to_its_decoding(path, monkeypatch, error):
    def damaged(*_, **__):
        raise error("damaged")

    monkeypatch.setattr(Image, "open", damaged)
    (group,) = pictures.groups(Files.at([path]), native=(8, 8))
    assert isinstance(group.images, Files)


def test_too_little_memory_is_no_damage(path, monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", greedy)
    with pytest.raises(TransferBenchError, match="must fit into memory"):
        list(pictures.groups(Files.at([path]), native=(8, 8)))
