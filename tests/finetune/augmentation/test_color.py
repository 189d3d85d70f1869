"""Operations on colors and shapes are torchvision's and Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision.transforms import functional as reference

from finetune.augmentation import color
from tests.finetune.augmentation.by_image import each, images


@pytest.mark.parametrize(
    ("step", "other"),
    [
        (color.brightness, reference.adjust_brightness),
        (color.contrast, reference.adjust_contrast),
        (color.saturation, reference.adjust_saturation),
    ],
)
def test_color_steps_are_torchvisions_with_a_factor_for_each_image(step, other):
    batch = images(8, 16, 16)
    factors = torch.linspace(0.1, 1.9, 8)
    expected = torch.stack([other(image, float(factor)) for image, factor in zip(batch, factors, strict=True)])
    off = (step(batch, factors).int() - expected.int()).abs()
    assert off.max() <= 1  # the order of the float operations may round a whole level down
    assert (off > 0).float().mean() < 0.02


def by_pillow(function):
    def apply(_, image):
        return np.moveaxis(np.asarray(function(Image.fromarray(np.moveaxis(image, 0, 2)))), 2, 0)

    return apply


def test_equalize_posterize_and_solarise_are_pillows():
    flat = torch.full((1, 3, 12, 10), 77, dtype=torch.uint8)
    two = torch.where(images(1) > 100, 200, 10).to(torch.uint8)
    wide = images(3, 40, 50)
    ahead = torch.ones(3)
    for batch in (flat, two, wide):
        signs = ahead[: len(batch)]
        assert torch.equal(color.equalize(batch, signs, 0.5, 0), each(by_pillow(ImageOps.equalize), batch))
        kept = by_pillow(lambda image: ImageOps.posterize(image, 6))
        assert torch.equal(color.posterize(batch, signs, 0.5, 0), each(kept, batch))
        turned = by_pillow(lambda image: ImageOps.solarize(image, 128))
        assert torch.equal(color.solarize(batch, signs, 0.5, 0), each(turned, batch))


def pillow_affine(matrix, size):
    """Pillow's nearest affine map about the image's center; Pillow samples pixel centers, as grid_sample does."""
    (a, b, c), (d, e, f) = matrix
    height, width = size
    x, y = (width) / 2, (height) / 2
    data = (a, b, x - a * x - b * y + c, d, e, y - d * x - e * y + f)
    return by_pillow(
        lambda image: image.transform(
            image.size, Image.Transform.AFFINE, data, Image.Resampling.NEAREST, fillcolor=(9, 9, 9)
        )
    )


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 48)])
def test_shapes_move_as_pillows_affine_maps_do(height, width):
    batch = images(4, height, width)
    ahead, strength = torch.tensor([1.0, 1.0, 1.0, 1.0]), 0.7
    angle = np.radians(30) * strength
    turn = ((np.cos(angle), -np.sin(angle), 0), (np.sin(angle), np.cos(angle), 0))
    lean = 0.3 * strength
    for step, matrix in (
        (color.OPERATIONS["rotate"], turn),
        (color.OPERATIONS["shear_x"], ((1, lean, 0), (0, 1, 0))),
        (color.OPERATIONS["shear_y"], ((1, 0, 0), (lean, 1, 0))),
        (color.OPERATIONS["translate_x"], ((1, 0, lean * width), (0, 1, 0))),
        (color.OPERATIONS["translate_y"], ((1, 0, 0), (0, 1, lean * height))),
    ):
        got, expected = step(batch, ahead, strength, 9), each(pillow_affine(matrix, (height, width)), batch)
        assert (got != expected).float().mean() < 0.01, step.__name__  # places on the border of two pixels
        assert not torch.equal(step(batch, -ahead, strength, 9), got)


def test_every_operation_of_randaugment_meets_only_the_images_that_drew_it():
    batch = images(len(color.OPERATIONS), 16, 16)
    numbers = torch.arange(len(batch))
    ahead = torch.ones(len(batch), dtype=torch.bool)
    none = torch.zeros_like(numbers)
    got = color.operate(
        batch, torch.stack([numbers, none], 1), signs=torch.stack([ahead, ahead], 1), magnitude=6, fill=0
    )
    for row, apply in enumerate(color.OPERATIONS.values()):
        assert torch.equal(got[row], apply(batch[row : row + 1], torch.ones(1), 0.6, 0)[0])
    assert torch.equal(got[0], batch[0])
    assert all(not torch.equal(got[row], batch[row]) for row in range(1, len(batch)))
