"""The best correlation over shifts, mirror images and crops, against every shift tried by itself."""

import numpy as np
import pytest
import torch

from extract.duplicates.registration import SHIFT, details, registered, scores, shifted_correlation


@pytest.fixture
def smooth(rng) -> torch.Tensor:
    """Twelve smooth noise images, float32 [12, 3, 32, 32]."""
    noise = torch.from_numpy(rng.uniform(0, 255, (12, 3, 34, 34)).astype(np.float32))
    return torch.nn.functional.avg_pool2d(noise, 3, 1)


def test_every_shift_is_tried(smooth):
    images, others = smooth[:6], smooth[6:]
    others[0] = images[0].roll((2, -3), (1, 2))
    found = shifted_correlation(images, others)
    for one, other, best in zip(images.numpy(), others.numpy(), found.tolist(), strict=True):
        middle = other[:, SHIFT:-SHIFT, SHIFT:-SHIFT].ravel()
        steps = range(2 * SHIFT + 1)
        tried = [np.corrcoef(one[:, y : y + 24, x : x + 24].ravel(), middle)[0, 1] for y in steps for x in steps]
        assert best == pytest.approx(max(tried), abs=1e-3)
    assert found[0] > 0.999


def test_mirror_images_and_crops_are_seen(smooth):
    mirrored = smooth.flip(-1)
    cropped = torch.nn.functional.interpolate(smooth[..., 2:-2, 2:-2], size=(32, 32), mode="bilinear", antialias=True)
    assert (registered(smooth, mirrored, crops=False) > 0.999).all()
    assert (registered(smooth, cropped.flip(-1), crops=True) > 0.99).all()
    assert (registered(smooth, cropped, crops=False) < 0.9).all()
    pairs = torch.tensor([[row, row + 12] for row in range(12)] + [[row, (row + 1) % 12] for row in range(12)])
    images = torch.cat([smooth, cropped]).round().to(torch.uint8)
    found, pixels = scores(pairs, images)
    assert found[:12].min() > 4 * found[12:].max()
    assert pixels[:12].min() > 0.95


def test_pairs_of_which_none_is_alike_are_none(rng):
    images = torch.from_numpy(rng.integers(0, 256, (8, 3, 32, 32)).astype(np.uint8))
    heard = []
    found, pixels = scores(torch.tensor([[0, 1], [2, 3], [4, 5], [6, 7]]), images, progress=heard.append)
    assert (found.tolist(), pixels.tolist(), heard) == ([0.0] * 4, [0.0] * 4, [4])


def test_details_are_what_a_blur_takes_away(smooth):
    assert details(torch.full((1, 3, 32, 32), 7.0)).abs().max() < 1e-4
    assert details(smooth).std() < smooth.std()
