"""One input that a user may give, and the commands that meet it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from tests.pipelines.fitting import UNTRAINED

BACKBONE = (*UNTRAINED, "--image-size", "32", "--precision", "float32")  # rounding weights takes a moment
FIT = ("fit-head", *BACKBONE, "--head", "centroid", "--dataset")
TRAIN = (
    *("--network", "test_resnet", "--dataset", "digits", "--image-size", "32", "--epochs", "1"),
    *("--subset", "128", "--test-subset", "20"),
)


@dataclass(frozen=True)
class Case:
    """`make(folder)` lays the input into an empty folder; then each of `commands` runs there, in order.

    `statuses` are the exit statuses that are right, one for each command, or one for all of them. `says` must stand in
    what the last command printed to stderr or stdout.
    """

    name: str
    commands: tuple[tuple[str, ...], ...]
    make: Callable[[Path], object] = lambda folder: None
    statuses: tuple[int, ...] = (0,)
    says: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def make_photos(
    root: Path, classes: tuple[str, ...] = ("red", "blue"), *, count: int = 10, suffix: str = ".png", **save: object
) -> None:
    """Class folders of noise, each class tinted in a channel of its own: centroids tell them apart."""
    rng = np.random.default_rng(0)
    for index, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 120, (48, 48, 3), dtype=np.uint8)
            pixels[..., index % 3] += 120
            Image.fromarray(pixels).save(folder / f"{number:02d}{suffix}", **save)
