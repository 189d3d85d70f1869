"""The images of a run: read, bad ones left out where that is asked for, sampled; and whether they are enough."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from extract.data.bad_images import without, without_unreadable
from extract.data.datasets import Located, load
from extract.data.images import ImageSet, ImageSplit
from extract.data.walk import a_few
from extract.errors import InvalidInputError
from extract.runtime.formats import plural
from finetune.recipes import MODES_WITH_HEAD
from pipelines.specs.data import Selection

HEAD_VALIDATION_SHARE = 0.1


def chosen(
    located: Located,
    selection: Selection,
    *,
    splits: Sequence[str] = ("train", "test"),
    bad: tuple[str, ...] | None = None,
) -> tuple[ImageSet, tuple[str, ...]]:
    """(the images of the `splits` of a data set that the selection uses; the ids of those that cannot be decoded).

    `bad` are these ids where they are known already: to find them is to decode every file.
    """
    data, skipped = load(located), ()
    data = replace(data, splits={name: data.splits[name] for name in splits})
    if selection.skips_bad_images:
        data, skipped = without_unreadable(data) if bad is None else (without(data, frozenset(bad)), bad)
    return selection.sample(data, splits=splits), skipped


def notices(located: Located, skipped: Sequence[str] = ()) -> list[str]:
    """Notices on how a data set was read; `skipped` are ids of images that were left out."""
    left = f"{plural(len(skipped), 'unreadable image')} skipped: {a_few(skipped)}"
    return [*located.notices, *([left] if skipped else [])]


def training_split(selection: Selection, data: ImageSet) -> ImageSplit:
    """The training images that a spec takes of `data`; InvalidInputError as of `sample`."""
    return selection.sample(data).splits["train"]


def check_training(
    split: ImageSplit, *, mode: str, batch_size: int, part: float | int | None, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training split, int64 [N] and [V]: those that a network is trained on, and its validation split.

    Raises `InvalidInputError` where they are too few.
    """
    import heads

    rows, validation_rows = heads.validation_split(split.labels, part, seed=seed, groups=split.groups)
    if mode in MODES_WITH_HEAD:  # the head is chosen on a validation split
        own = split.take(rows)
        heads.validation_split(own.labels, HEAD_VALIDATION_SHARE, seed=seed, groups=own.groups)
    if mode != "frozen" and len(rows) < batch_size:
        raise InvalidInputError(
            f"training images must be at least one batch, {batch_size}; got {len(rows)}. "
            "Give a smaller --batch-size or more images."
        )
    return rows, validation_rows
