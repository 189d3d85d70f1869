"""Raw images by path: the way each one takes."""

from pathlib import Path

import pytest
from PIL import Image

from extract.images import Files
from pipelines.predict import pictures


@pytest.mark.parametrize("error", [RuntimeError, AssertionError, KeyError, OSError])
def test_whatever_opening_a_damaged_image_raises_it_is_left_to_its_decoding(monkeypatch, error):
    def damaged(*_, **__):
        raise error("damaged")

    monkeypatch.setattr(Image, "open", damaged)
    (group,) = pictures.groups([Path("a.avif")], native=(8, 8))
    assert isinstance(group.images, Files)


def test_too_little_memory_is_no_damage(monkeypatch):
    def greedy(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Image, "open", greedy)
    with pytest.raises(MemoryError):
        list(pictures.groups([Path("a.png")], native=(8, 8)))
