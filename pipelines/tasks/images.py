"""The images of a run: read, bad ones left out where that is asked for, sampled; and what to say of them."""

from collections.abc import Sequence
from dataclasses import replace

from extract.data.datasets import Located, load
from extract.data.images import ImageSet, subset
from extract.data.unreadable import without_unreadable
from extract.data.walk import a_few


def chosen(
    located: Located,
    *,
    on_bad_image: str,
    train: int | None,
    test: int | None,
    seed: int,
    splits: Sequence[str] = ("train", "test"),
) -> tuple[ImageSet, tuple[str, ...]]:
    """(the `splits` of a data set, sampled to `train` and `test` images; the ids of those that cannot be decoded)."""
    data, skipped = load(located), ()
    data = replace(data, splits={name: data.splits[name] for name in splits})
    if on_bad_image == "skip":
        data, skipped = without_unreadable(data)
    return subset(data, train=train, test=test if "test" in splits else None, seed=seed), skipped


def notices(located: Located, skipped: Sequence[str] = ()) -> list[str]:
    """What people should know of how a data set was read; `skipped` are ids of images that were left out."""
    left = f"{len(skipped)} unreadable images skipped: {a_few(skipped)}"
    return [*located.notices, *([left] if skipped else [])]
