"""Every augmentation against a plain one, image by image, and the draws behind them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as some

from finetune.augmentation import augment
from finetune.recipes import Recipe
from tests.finetune.augmentation.by_image import each, images


@settings(max_examples=25, deadline=None)
@given(
    padding=some.integers(0, 6), kind=some.sampled_from(["zero", "reflect"]), seed=some.integers(0, 99),
    size=some.tuples(some.integers(7, 13), some.integers(7, 13)),
)  # fmt: skip
def test_crop_and_flip_are_pad_slice_and_mirror(padding, kind, seed, size):
    batch = images(5, *size, seed=seed)
    chance = np.random.default_rng(seed)
    shift = torch.from_numpy(chance.integers(-padding, padding + 1, (5, 2)))
    flip = torch.from_numpy(chance.random(5) < 0.5)

    def plainly(row, image):
        around = ((0, 0), (padding, padding), (padding, padding))
        padded = np.pad(image, around, **({"mode": "reflect"} if kind == "reflect" else {"mode": "constant"}))
        top, left = (int(value) + padding for value in shift[row])
        cut = padded[:, top : top + size[0], left : left + size[1]]
        return cut[:, :, ::-1] if flip[row] else cut

    got = augment.crop_and_flip(batch, shift, flip, padding=kind)
    assert torch.equal(got, each(plainly, batch))
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_without_draws_images_stay():
    batch = images()
    assert torch.equal(augment.augment(batch, augment.Draws({}), recipe=Recipe()), batch)


@pytest.mark.parametrize("side", [1, 4, 5, 30])
def test_cutout_greys_a_square_around_each_centre(side):
    batch = images()
    centers = torch.tensor([[0, 0], [11, 9], [5, 5], [3, 8], [6, 0], [11, 0]])

    def plainly(row, image):
        top, left = (int(value) - side // 2 for value in centers[row])
        result = image.copy()
        result[:, max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = augment.GRAY
        return result

    assert torch.equal(augment.cut_out(batch, centers, side=side), each(plainly, batch))


def draws(epoch=0, seed=0, count=4000, **options):
    return augment.draw(Recipe(**options), torch.arange(count), size=(32, 32), seed=seed, epoch=epoch).values


def test_one_kind_more_leaves_the_other_draws():
    few, more = draws(), draws(cutout=8, color_jitter=0.4, randaugment=5)
    for name, value in few.items():
        assert torch.equal(more[name], value)
    assert not torch.equal(draws(epoch=1)["shift"], few["shift"])
    assert not torch.equal(draws(seed=1)["shift"], few["shift"])


def test_draws_are_uniform_and_each_images_own():
    made = draws(crop=2, cutout=8)
    counts = torch.bincount(((made["shift"][:, 0] + 2) * 5 + made["shift"][:, 1] + 2), minlength=25)
    assert counts.min() > 100
    assert counts.max() < 230
    assert abs(made["flip"].float().mean() - 0.5) < 0.05
    assert made["cutout"].min() == 0
    assert made["cutout"].max() == 31


def test_alternating_flip_shows_each_side_of_every_image_in_turn():
    first, second, third = (draws(epoch=epoch, flip="alternating")["flip"] for epoch in range(3))
    assert torch.equal(first, ~second)
    assert torch.equal(first, third)
    assert abs(first.float().mean() - 0.5) < 0.05
    order = torch.randperm(4000)
    turned = augment.draw(Recipe(flip="alternating"), order, size=(32, 32), seed=0, epoch=0).values["flip"]
    assert torch.equal(turned, first[order])  # by image, not by place in the epoch
