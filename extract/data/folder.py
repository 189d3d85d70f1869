"""A folder of class folders of photographs, with `train/` and `test/` (or `val/`) inside, or without."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from extract.data.contents import UNREADABLE, Contents, Progress, notices, silent
from extract.data.images import Files, ImageSet, ImageSplit, stratified_rows
from extract.data.labels.columns import LabelFile
from extract.data.listing import Listing, Members, listed
from extract.data.walk import a_few, composed, printable
from extract.errors import InvalidInputError
from extract.runtime.formats import plural
from extract.runtime.groups import split_off

TEST_FRACTION = 0.2
SPLIT_SEED = 0  # the split belongs to the data, so runs with different seeds share their test images
_NOTHING = (UNREADABLE, hashlib.sha256(b"").digest())  # no content that photographs could share


@dataclass(frozen=True)
class Folder:
    """A data set in a folder: its `images`, the `digest` of their names and contents, and which files hold no byte."""

    images: ImageSet
    digest: str
    empty: tuple[Path, ...]

    def of_classes(self, names: tuple[str, ...]) -> "Folder":
        """The images of these classes alone, under the same digest."""
        images = self.images.of_classes(names)
        files = [split.images for split in images.splits.values() if self.empty and isinstance(split.images, Files)]
        kept = {path for one in files for path in one.paths()}
        return replace(self, images=images, empty=tuple(path for path in self.empty if path in kept))


def read(
    root: Path, *, labels: LabelFile | None = None, contents: Contents | None = None, progress: Progress = silent
) -> Folder:
    """The data set under `root`. Class names are the class folders' names, sorted; no image is decoded.

    With `train/` and `test/` (or `val/`) inside, those are the splits. Otherwise a stratified fifth of each
    class is the test split, the same one every time. With `labels`, a file says classes, splits and groups
    (`extract.data.labeled`). What was passed over is said in the images' `notices`.
    `contents` remembers what the files hold; `progress(done, total)` counts files that are read for it.
    """
    listing = _listed(root, labels)
    ids, files = listing.ids(), listing.images()
    contents = Contents() if contents is None else contents
    digests = contents.digests(root, files, progress=progress)
    odd = [(name, one) for name, one in zip(ids, contents.unusual_of(digests), strict=True) if one is not None]
    images = _images(listing, labels)
    total = hashlib.sha256()
    for name, digest in zip(ids, digests, strict=True):
        total.update(name.encode() + b"\0" + digest)
    if labels is not None:
        total.update(_said(listing).encode())
    twins = () if len(set(digests)) == len(digests) else _twins(images, dict(zip(ids, digests, strict=True)))
    return Folder(
        images=replace(images, notices=(*images.notices, *twins, *notices(odd))),
        digest=total.hexdigest(),
        empty=tuple(root / files.names[row] for row in np.flatnonzero(files.table()[:, 0] == 0)),
    )


def unread(root: Path, labels: LabelFile | None = None) -> ImageSet:
    """The data set under `root` by its listing; reads no image's content."""
    return _images(_listed(root, labels), labels)


def _listed(root: Path, labels: LabelFile | None) -> Listing:
    if labels is None:
        return listed(root)
    from extract.data import labeled

    return labeled.listed(root, labels)


def _said(listing: Listing) -> str:
    """All that a file of labels said, beside the names of the images."""
    groups = {name: one.groups.tolist() for name, one in listing.splits.items() if one.groups is not None}
    return json.dumps([{name: one.sizes for name, one in listing.splits.items()}, groups])


def _images(listing: Listing, labels: LabelFile | None) -> ImageSet:
    splits = {split: _split(members, listing) for split, members in listing.splits.items()}
    said = listing.notices
    if "test" not in splits:
        splits = cut(splits["train"], root=listing.root, class_names=listing.class_names)
        said = (*said, *_untested(splits["test"], listing.class_names))
    name = printable(composed(listing.root.resolve().name)) or "root"
    if labels is not None and not labels.path.startswith("metadata."):
        name = labels.name or f"{name} by {printable(composed(Path(labels.path).name))}"
    return ImageSet(name, listing.class_names, splits, said)


def _split(members: Members, listing: Listing) -> ImageSplit:
    labels = np.repeat([listing.class_names.index(name) for name in members.sizes], list(members.sizes.values()))
    names = members.ids if members.images.names == list(members.ids) else tuple(members.images.names)
    return ImageSplit(Files(names, listing.root), labels.astype(np.int64), members.ids, members.groups)


def _untested(test: ImageSplit, class_names: tuple[str, ...]) -> Iterator[str]:
    """Names the classes that have no test image."""
    missing = sorted(set(range(len(class_names))) - set(test.labels.tolist()))
    if missing:
        names = a_few([class_names[label] for label in missing])
        yield f"{plural(len(missing), 'class')} of too few images for one to be in the test split ({names})"


def cut(everything: ImageSplit, *, root: Path, class_names: tuple[str, ...]) -> dict[str, ImageSplit]:
    """Training and test split of all images: a stratified fifth is the test split, the same one every time.

    The image of a class that has no other is for training.
    """
    several = np.flatnonzero(np.bincount(everything.labels)[everything.labels] > 1)
    if not len(several):
        raise InvalidInputError(
            f"a class must have at least two images to be split into training and test; got one of each in "
            f"{str(root)!r}. Add images, or make train/ and test/ folders."
        )
    count = max(round(TEST_FRACTION * len(several)), 1)
    test = several[stratified_rows(everything.labels[several], count, seed=SPLIT_SEED)]
    if everything.groups is not None:
        quotas = np.bincount(everything.labels[test], minlength=len(class_names))
        test = split_off(everything.labels, everything.groups, quotas, seed=SPLIT_SEED, what="test split")
    train = np.setdiff1d(np.arange(len(everything)), test)
    return {"train": everything.take(train), "test": everything.take(test)}


def _twins(images: ImageSet, contents: dict[str, bytes]) -> Iterator[str]:
    first: dict[bytes, tuple[str, int]] = {}
    shared, crossed = [], []
    for name in ("train", "test"):
        split = images.splits[name]
        for one, label in zip(split.ids, split.labels.tolist(), strict=True):
            content = contents[one]
            if content in _NOTHING:
                continue
            other, other_label = first.get(content, (one, label))
            if other_label != label:
                crossed.append(f"{printable(one)} is {printable(other)}")
            if name == "train":
                first.setdefault(content, (one, label))
            elif other != one:
                shared.append(f"{printable(one)} is {printable(other)}")
    if shared:
        total = len(images.splits["test"])
        yield (
            f"{len(shared)} of {total} test images are training images, by content ({shared[0]}): "
            "the test score is too good"
        )
    if crossed:
        images_stand = "image stands" if len(crossed) == 1 else "images stand"
        yield f"{len(crossed)} {images_stand} in more than one class, by content ({crossed[0]})"
