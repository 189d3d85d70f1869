"""Epochs of batches: the same by number, in parts, and over processes; refusals; blends."""

import numpy as np
import pytest
import torch
from torch import nn

from extract.errors import InvalidInputError
from finetune.augmentation import mixing
from finetune.augmentation.batches import Batches, LabeledImages, NormalizePixels, pixel_statistics
from finetune.recipes import Recipe

NORMALISATION = ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))
PLAIN = {"crop": 0, "flip": "none"}


def some_images(count=50, size=16):
    chance = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (count, 3, size, size), generator=chance).to(torch.uint8)
    return LabeledImages(pixels, torch.arange(count))


def batches(count=50, seed=3, **options):
    places = {name: options.pop(name) for name in ("rank", "world_count", "resize") if name in options}
    recipe = Recipe(**{"batch_size": 8, **options})
    return Batches(some_images(count), recipe, normalization=NORMALISATION, seed=seed, **places)


def test_an_epoch_shows_every_image_at_most_once_normalized_and_channels_last():
    seen = list(batches(**PLAIN)(0))
    assert len(seen) == batches().steps_per_epoch == 6
    labels = torch.cat([batch.labels for batch in seen])
    assert len(labels.unique()) == 48  # two images are left over, and other two in the next epoch
    assert set(torch.cat([batch.labels for batch in batches(**PLAIN)(1)]).tolist()) != set(labels.tolist())
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in NORMALISATION)
    expected = (some_images().images[seen[0].labels] / 255 - mean) / std
    assert torch.allclose(seen[0].inputs, expected, atol=1e-5)
    assert seen[0].inputs.is_contiguous(memory_format=torch.channels_last)


EVERYTHING = {"cutout": 4, "color_jitter": 0.3, "randaugment": 5, "mixup": 0.4, "cutmix": 1.0}


def test_an_epoch_depends_on_its_number_and_the_seed_alone():
    made = batches(**EVERYTHING)
    list(made(0))
    again = [batch.inputs for batch in made(2)]
    assert all(torch.equal(one, batch.inputs) for one, batch in zip(again, batches(**EVERYTHING)(2), strict=True))
    assert not torch.equal(again[0], next(iter(made(3))).inputs)
    assert not torch.equal(again[0], next(iter(batches(seed=4, **EVERYTHING)(2))).inputs)


@pytest.mark.parametrize("options", [{}, EVERYTHING])
def test_parts_and_processes_share_out_the_very_same_batch(options):
    whole = list(batches(**options)(1))
    parts = list(batches(accumulate=2, **options)(1))
    ranks = [list(batches(rank=rank, world_count=2, accumulate=2, **options)(1)) for rank in range(2)]
    for step, batch in enumerate(whole):
        halves = parts[2 * step : 2 * step + 2]
        quarters = [quarter for rank in ranks for quarter in rank[2 * step : 2 * step + 2]]
        for pieces in (halves, quarters):
            assert torch.equal(torch.cat([piece.inputs for piece in pieces]), batch.inputs)
            assert torch.equal(torch.cat([piece.labels for piece in pieces]), batch.labels)
        assert sum(piece.weight for piece in halves) == 1
        assert sum(piece.weight for piece in ranks[0][2 * step : 2 * step + 2]) == 1


@pytest.mark.parametrize(("share", "epochs", "small"), [(0.4, 1, 0), (0.9, 5, 4), (0.55, 100, 55), (0.4, 15, 6)])
def test_the_last_epoch_sees_whole_images(share, epochs, small):
    found = batches(epochs=epochs, small_share=share)
    assert sum(found.work(epoch) < 1 for epoch in range(epochs)) == small


def test_the_first_epochs_may_see_smaller_images_and_resizing_comes_after_augmentation():
    sizes = [next(iter(batches(epochs=4, small_share=0.5)(epoch))).inputs.shape[2:] for epoch in range(4)]
    assert [tuple(size) for size in sizes] == [(12, 12), (12, 12), (16, 16), (16, 16)]
    twice = nn.Upsample(scale_factor=2)
    resized = next(iter(batches(resize=lambda images: twice(images.float()))(0))).inputs
    plain = next(iter(batches()(0))).inputs
    assert torch.allclose(resized, twice(plain))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"batch_size": 51}, "batch size must be at most the number of training images, 50; got 51"),
        ({"accumulate": 3}, "accumulate must be a number of equal parts of the batch, 8 images; got 3"),
        ({"world_count": 3}, "batch size must be a multiple of 3 processes x 1 parts; got 8"),
    ],
)
def test_batches_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(InvalidInputError, match=sentence):
        batches(**options)


def test_images_of_another_type_are_refused():
    with pytest.raises(InvalidInputError, match="images must be uint8"):
        LabeledImages(torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(InvalidInputError, match="labels must be int64, one for each of 2 images"):
        LabeledImages(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))


def test_pixel_statistics_are_numpys_and_normalize_undoes_them():
    images = some_images().images
    mean, std = pixel_statistics(images)
    values = np.moveaxis(images.numpy(), 1, 0).reshape(3, -1) / 255
    assert np.allclose(mean, values.mean(1))
    assert np.allclose(std, values.std(1))
    normalized = NormalizePixels((mean, std))(images)
    assert torch.allclose(normalized.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(normalized.std((0, 2, 3)), torch.ones(3), atol=1e-3)


def blends(**alphas):
    given = {"mixup": 0.0, "cutmix": 0.0, **alphas}
    return mixing.blends(2000, rows=8, size=(32, 32), seed=0, epoch=0, **given)


def test_mixup_averages_with_a_share_from_its_beta_distribution():
    made = blends(mixup=0.4)
    shares = np.array([blend.share for blend in made])
    assert abs(shares.mean() - 0.5) < 0.03
    assert abs(shares.var() - 1 / (4 * (2 * 0.4 + 1))) < 0.01  # of Beta(a, a)
    one, other = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    assert torch.allclose(mixing.apply(one, other, made[0]), torch.tensor(1 - made[0].share))
    assert all(sorted(blend.partners.tolist()) == list(range(8)) for blend in made[:20])


def test_cutmix_pastes_a_box_and_the_share_is_the_area_left():
    one, other = torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32)
    made = blends(cutmix=1.0)
    for blend in made[:50]:
        assert mixing.apply(one, other, blend).mean().item() == pytest.approx(1 - blend.share, abs=1e-6)
    assert np.var([blend.share for blend in made]) > 0.03
    assert torch.equal(one, torch.zeros_like(one))


def test_with_both_alphas_each_batch_has_one_of_them():
    boxes = [blend.box is not None for blend in blends(mixup=0.4, cutmix=1.0)]
    assert 0.45 < np.mean(boxes) < 0.55
    assert blends() == [None] * 2000
