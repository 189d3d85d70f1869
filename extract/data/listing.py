"""Classes and splits of a folder of images; notices on what is read otherwise than one may think."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from extract.data.walk import (
    CLOSED,
    OTHER,
    OUTSIDE,
    SUFFIXES,
    Images,
    Passed,
    Walker,
    a_few,
    composed,
    printable,
)
from extract.errors import InvalidInputError, nearest
from extract.runtime.formats import plural

TRAIN = ("train", "training")  # names of split folders, in any case; of several the first counts
TEST = ("test", "testing", "val", "valid", "validation")
UNEVEN = 4  # times as many images in the largest class as in the smallest are worth a word


@dataclass(frozen=True)
class Members:
    """Images of a split by class and name: `sizes` are the images of each class, named in Unicode's composed form.

    `ids` name the images for people, by their paths below the data set's root. `groups` int64 [N] number what they are
    of, alike in all splits, where that is known.
    """

    sizes: dict[str, int]
    ids: tuple[str, ...]
    images: Images
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Listing:
    """The images of a folder by split ("train", and "test" where it has one); `notices` on it."""

    root: Path
    class_names: tuple[str, ...]
    splits: dict[str, Members]
    notices: tuple[str, ...]

    def ids(self) -> list[str]:
        """Those of all splits, the training split's first."""
        return [one for members in self.splits.values() for one in members.ids]

    def images(self) -> Images:
        """Those of all splits, the training split's first."""
        found = Images()
        for members in self.splits.values():
            found.extend(members.images)
        return found

    def sizes(self) -> Counter[str]:
        """Images of each class over all splits."""
        return sum((Counter(members.sizes) for members in self.splits.values()), Counter())


def listed(root: Path) -> Listing:
    """Lists the folder `root` of class folders, or of split folders with class folders. Opens no image.

    Raises `InvalidInputError` for what is no data set, and where it cannot be told what is a class and what a split.
    """
    if not os.path.isdir(root):
        raise InvalidInputError(f"data set directory must exist; got {str(root)!r}. Check the path.")
    walker = Walker(root)
    top = walker.inside(root)
    _must_be_open(walker, root, [root])
    folders, notices = _split_folders(root, top.folders)
    inside = {split: top if folder == root else walker.inside(folder) for split, folder in folders.items()}
    for name in [*top.images.names, *(name for one in inside.values() for name in one.images.names)]:
        walker.passed.add(OUTSIDE, name)
    found = walker.below([folder for one in inside.values() for folder in one.folders])
    _must_be_open(walker, root, [folder for one in inside.values() for folder in one.folders])
    splits = {
        split: _members({folder: found[folder] for folder in one.folders if folder in found}, root)
        for split, one in inside.items()
    }
    for split, members in splits.items():
        if not members.ids:
            raise _without_images(split, folders[split], walker.passed)
    listing = Listing(root, tuple(splits["train"].sizes), splits, ())
    _check_classes(listing)
    odd = (*untested(listing), *_merged(found), *alike(listing.class_names), *_nested(listing, found))
    said = (*counts(listing), walker.passed.sentence(), *notices, *odd)
    return Listing(root, listing.class_names, splits, tuple(sentence for sentence in said if sentence))


def _without_images(split: str, folder: Path, passed: Passed) -> InvalidInputError:
    skipped = f" ({passed.sentence()})" if passed.names else ""
    if split == "test":
        return InvalidInputError(
            f"test split must hold images of its own; got {str(folder)!r}, without any{skipped}. "
            "Put images there that are not in the training split, or remove it."
        )
    remedies = {
        OUTSIDE: "Put the images of each class into a folder of its own, or name a table of labels with --labels.",
        OTHER: f"Files are images by their suffix: {', '.join(sorted(SUFFIXES))}.",
    }
    remedy = next((remedies[kind] for kind in remedies if passed.names.get(kind)), "Check the path.")
    return InvalidInputError(
        f"data set directory must hold class folders with images; got {str(folder)!r}, without any{skipped}. {remedy}"
    )


def _split_folders(root: Path, folders: Sequence[Path]) -> tuple[dict[str, Path], list[str]]:
    """(the folders of the splits: `train`, and `test` where there is one; what should be said of them).

    A split holds class folders. `train` with images of its own and nothing else is a class of that name.
    """
    trains, tests = _named(folders, TRAIN), _named(folders, TEST)
    train = next((folder for folder in trains if _holds_classes(root, folder)), None)
    test = next((folder for folder in tests if _holds_classes(root, folder)), None)
    if train is not None and test is not None:
        others = [folder for folder in folders if folder not in (train, test)]
        left = f"{_names(others)} beside {train.name} and {test.name} left out"
        return {"train": train, "test": test}, [left] if others else []
    if train is not None:
        return {"train": train}, _alone(root, train, [folder for folder in folders if folder != train])
    full = [folder for folder in tests if _holds_images(root, folder)]
    if full:
        raise InvalidInputError(
            f"data set with a test split must have a training split of class folders, train/; got {str(root)!r}, "
            f"where {_names(full)} stands beside {_names([one for one in folders if one not in full]) or 'nothing'}. "
            f"Rename the training folder to train, or move {_names(full)} out."
        )
    classes = [folder for folder in trains if _holds_images(root, folder)]
    said = f"{_names(classes)} read as a class: it holds images and no class folders"
    return {"train": root}, [said] if classes else []


def _alone(root: Path, train: Path, others: list[Path]) -> list[str]:
    """What should be said of a training split without a test split; `InvalidInputError` where it may be a class."""
    unlabeled = [folder for folder in _named(others, TEST) if _holds_images(root, folder)]
    beside = [folder for folder in others if folder not in unlabeled and _holds_images(root, folder)]
    if beside:
        raise InvalidInputError(
            f"data set directory must hold either classes or splits; got {str(root)!r}, where {train.name!r} with "
            f"class folders inside stands beside {_names(beside)}. Rename {train.name!r} if it is a class; if it is "
            "the training split, move the others out or name the test split test/."
        )
    left = [f"{_names(unlabeled)} left out: no class folders inside"] if unlabeled else []
    return [*left, f"no test or val folder with classes: a fifth of {printable(train.name)} is the test split"]


def _named(folders: Sequence[Path], names: tuple[str, ...]) -> list[Path]:
    """Those of `folders` that bear one of `names`, in any case, in the order of `names`."""
    bearing = [folder for folder in folders if folder.name.lower() in names]
    return sorted(bearing, key=lambda folder: (names.index(folder.name.lower()), folder.name.lower() != folder.name))


def _holds_classes(root: Path, folder: Path) -> bool:
    walker = Walker(root)
    return walker.any_below(walker.inside(folder).folders)


def _holds_images(root: Path, folder: Path) -> bool:
    return Walker(root).any_below([folder])


def _names(folders: Sequence[Path]) -> str:
    return a_few([folder.name for folder in folders])


def _must_be_open(walker: Walker, root: Path, folders: Sequence[Path]) -> None:
    """Raises `InvalidInputError` for a folder whose absence would change what the classes are."""
    closed = [one for one in folders if one.relative_to(root).as_posix() in walker.passed.names.get(CLOSED, ())]
    if closed:
        raise InvalidInputError(f"class folder must be readable; got {str(closed[0])!r}. Change its permissions.")


def _members(found: dict[Path, Images], root: Path) -> Members:
    """The images of a split by class and name. Folders whose names differ in Unicode's form only are one class."""
    classes: dict[str, Images] = {}
    for folder, images in found.items():
        classes.setdefault(composed(folder.name), Images()).extend(images)
    everything = Images()
    for name in sorted(classes):
        classes[name].sort()
        everything.extend(classes[name])
    sizes = {name: len(classes[name]) for name in sorted(classes)}
    return Members(sizes, ids(everything.names, root), everything)


def ids(names: list[str], root: Path) -> tuple[str, ...]:
    """The names in Unicode's composed form, where that tells them apart."""
    if all(map(str.isascii, names)):
        return tuple(names)
    known = Counter(composed(_checked(name, root / name)) for name in names)
    return tuple(composed(name) if known[composed(name)] == 1 else name for name in names)


def _checked(name: str, path: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"image path must be valid UTF-8; got '{printable(path)}'. Rename it.") from error
    return name


def _check_classes(listing: Listing) -> None:
    known = listing.class_names
    strange = sorted(set(listing.sizes()) - set(known))
    if strange:
        raise InvalidInputError(
            f"test classes must be among the training classes; got {strange[0]!r} in {str(listing.root)!r}. "
            f"{nearest(strange[0], known)} Rename the folder or add training images."
        )
    if len(known) < 2:
        raise InvalidInputError(
            f"data set must have at least two class folders; got {', '.join(known)} alone in {str(listing.root)!r}. "
            "Name the folder that holds them."
        )


def counts(listing: Listing) -> Iterator[str]:
    """How many images and classes there are."""
    sizes = listing.sizes()
    least, most = min(sizes.values()), max(sizes.values())
    each = f"{least} each" if least == most else f"{least} to {most} each"
    uneven = ": imbalanced" if most >= UNEVEN * least else ""
    yield f"{sizes.total()} images, {len(listing.class_names)} classes, {each}{uneven}"


def untested(listing: Listing) -> Iterator[str]:
    """Classes that a test split lacks."""
    if "test" in listing.splits:
        absent = sorted(set(listing.class_names) - set(listing.splits["test"].sizes))
        if absent:
            yield f"{plural(len(absent), 'class')} without test images ({a_few(absent)})"


def _merged(found: dict[Path, Images]) -> Iterator[str]:
    twice = Counter((folder.parent, composed(folder.name)) for folder in found)
    merged = sorted({name for (_, name), count in twice.items() if count > 1})
    if merged:
        classes = plural(len(merged), "class")
        yield f"{classes} of two folders each, named alike in other Unicode forms ({a_few(merged)})"


def alike(class_names: Sequence[str]) -> Iterator[str]:
    """Classes that may be meant to be one."""
    groups: dict[str | Decimal, list[str]] = {}
    for name in class_names:
        groups.setdefault(_meaning(name), []).append(name)
    same = [repr(name) for group in groups.values() if len(group) > 1 for name in group]
    if same:
        yield (
            f"{plural(len(same), 'class')} whose names differ only by case, spaces or how a number is written "
            f"({a_few(same)})"
        )


def _meaning(name: str) -> str | Decimal:
    """The name without case and spaces; of a number its value, which 1, 01 and 1.0 share."""
    letters = "".join(name.casefold().split())
    return Decimal(letters) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", letters) else letters


def _nested(listing: Listing, found: dict[Path, Images]) -> Iterator[str]:
    below = {folder: len(folder.relative_to(listing.root).as_posix()) + 1 for folder in found}
    nested = sorted(
        folder.name for folder, start in below.items() if all("/" in name[start:] for name in found[folder].names)
    )
    if len(nested) == len(found):
        inner = {
            tuple(sorted({composed(name[start:].partition("/")[0]) for name in found[folder].names}))
            for folder, start in below.items()
        }
        if len(inner) == 1 and len(*inner) > 1:
            yield (
                f"every class folder holds the same sub-folders ({a_few(*inner)}), which are not told apart: "
                "a split comes above its classes (train/NAME, test/NAME)"
            )
            return
    if nested:
        folders = plural(len(nested), "class folder")
        yield f"{folders} with images in sub-folders only, which are not told apart ({a_few(nested)})"
