"""Heads on raw images: the backbone is found again."""

from pathlib import Path

import pytest
from PIL import Image

ONE_C = ("--c-grid", "0.01")


@pytest.fixture
def digit_files(tmp_path) -> list[Path]:
    """The digits' test images as PNG files of 8 x 8 pixels, in the order of the test split."""
    from extract.data import digits

    split = digits.load().splits["test"]
    (tmp_path / "digits").mkdir()
    paths = []
    for one, array in zip(split.ids, split.images.array, strict=True):
        paths.append(tmp_path / "digits" / f"{one.replace('/', '-')}.png")
        Image.fromarray(array.transpose(1, 2, 0)).save(paths[-1])
    return paths


def test_a_weights_file_is_found_again_or_named_and_must_be_the_same(pipeline, digit_files, tmp_path):
    import timm
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    mine, other, moved = (tmp_path / f"{name}.safetensors" for name in ("mine", "other", "moved"))
    for path in (mine, other):
        save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), path)
    words = ("--backbone", "test_resnet", "--weights", mine, "--dataset", "digits", "--image-size", 32)
    answer = pipeline("fit-head", *words, *ONE_C, "--json").json
    ask = ("predict", "--run", answer["run"], digit_files[0], "--json")
    first = pipeline(*ask)
    assert first.status == 0, first.err
    mine.rename(moved)
    lost = pipeline(*ask)
    assert lost.status == 2
    assert "--weights" in lost.json["error"]
    assert pipeline(*ask, "--weights", moved).json["images"] == first.json["images"]
    wrong = pipeline(*ask, "--weights", other)
    assert wrong.status == 2
    assert "weights must be those" in wrong.json["error"]
