"""The images of a run: read, bad ones left out where that is asked for, sampled; and what to say of them."""

from collections.abc import Sequence
from dataclasses import replace

from extract.data.bad_images import without_unreadable
from extract.data.datasets import Located, load
from extract.data.images import ImageSet
from extract.data.walk import a_few
from pipelines.specs.data import Selection


def chosen(
    located: Located, selection: Selection, *, splits: Sequence[str] = ("train", "test")
) -> tuple[ImageSet, tuple[str, ...]]:
    """(the images of the `splits` of a data set that the selection uses; the ids of those that cannot be decoded)."""
    data, skipped = load(located), ()
    data = replace(data, splits={name: data.splits[name] for name in splits})
    if selection.skips_bad_images:
        data, skipped = without_unreadable(data)
    return selection.sample(data, splits=splits), skipped


def notices(located: Located, skipped: Sequence[str] = ()) -> list[str]:
    """What people should know of how a data set was read; `skipped` are ids of images that were left out."""
    left = f"{len(skipped)} unreadable images skipped: {a_few(skipped)}"
    return [*located.notices, *([left] if skipped else [])]
