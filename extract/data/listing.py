"""Classes and splits of a folder of images; notices on what is read otherwise than one may think."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.data.walk import (
    CLOSED,
    OTHER,
    OUTSIDE,
    SUFFIXES,
    Image,
    Passed,
    Walker,
    a_few,
    composed,
    counted,
    ordered,
    printable,
)
from extract.errors import InvalidInputError, nearest

TRAIN = ("train", "training")  # names of split folders, in any case; of several the first counts
TEST = ("test", "testing", "val", "valid", "validation")
UNEVEN = 4  # times as many images in the largest class as in the smallest are worth a word


@dataclass(frozen=True)
class ListedImage:
    """An image with its class, named in Unicode's composed form, and its `id`, its path below the data set's root."""

    class_name: str
    id: str
    image: Image


@dataclass(frozen=True)
class Listing:
    """The images of a folder by split ("train", and "test" where it has one), by class and name; `notices` on it."""

    root: Path
    class_names: tuple[str, ...]
    splits: dict[str, list[ListedImage]]
    notices: tuple[str, ...]

    def members(self) -> list[ListedImage]:
        """Those of all splits, the training split's first."""
        return [member for members in self.splits.values() for member in members]


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
    for image in [*top.images, *(image for one in inside.values() for image in one.images)]:
        walker.passed.add(OUTSIDE, "/".join(image.parts))
    found = walker.below([folder for one in inside.values() for folder in one.folders])
    _must_be_open(walker, root, [folder for one in inside.values() for folder in one.folders])
    splits = {
        split: _members({folder: found[folder] for folder in one.folders if folder in found})
        for split, one in inside.items()
    }
    for split, members in splits.items():
        if not members:
            raise _without_images(split, folders[split], walker.passed)
    listing = Listing(root, tuple(sorted({one.class_name for one in splits["train"]})), splits, ())
    _check_classes(listing)
    said = (*_counts(listing), walker.passed.sentence(), *notices, *_odd_classes(listing, found))
    return Listing(root, listing.class_names, splits, tuple(sentence for sentence in said if sentence))


def _without_images(split: str, folder: Path, passed: Passed) -> InvalidInputError:
    skipped = f" ({passed.sentence()})" if passed.names else ""
    if split == "test":
        return InvalidInputError(
            f"test split must hold images of its own; got {str(folder)!r}, without any{skipped}. "
            "Put images there that are not in the training split, or remove it."
        )
    remedies = {
        OUTSIDE: "Put the images of each class into a folder of its own.",
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


def _members(found: dict[Path, list[Image]]) -> list[ListedImage]:
    """The images of a split by class and name. Folders whose names differ in Unicode's form only are one class."""
    pairs = [(composed(folder.name), image) for folder, images in found.items() for image in images]
    pairs.sort(key=lambda pair: (pair[0], ordered(*pair[1].parts)))
    ids = [_checked("/".join(image.parts), image.path) for _, image in pairs]
    known = Counter(map(composed, ids))
    return [
        ListedImage(name, composed(raw) if known[composed(raw)] == 1 else raw, image)
        for (name, image), raw in zip(pairs, ids, strict=True)
    ]


def _checked(name: str, path: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"image path must be valid UTF-8; got '{printable(path)}'. Rename it.") from error
    return name


def _check_classes(listing: Listing) -> None:
    known = listing.class_names
    strange = sorted({one.class_name for one in listing.members()} - set(known))
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


def _counts(listing: Listing) -> Iterator[str]:
    sizes = Counter(one.class_name for one in listing.members())
    least, most = min(sizes.values()), max(sizes.values())
    each = f"{least} each" if least == most else f"{least} to {most} each"
    uneven = ": imbalanced" if most >= UNEVEN * least else ""
    yield f"{sizes.total()} images, {len(listing.class_names)} classes, {each}{uneven}"


def _odd_classes(listing: Listing, found: dict[Path, list[Image]]) -> Iterator[str]:
    if "test" in listing.splits:
        untested = sorted(set(listing.class_names) - {one.class_name for one in listing.splits["test"]})
        if untested:
            yield f"{counted(len(untested), 'class')} without test images ({a_few(untested)})"
    twice = Counter((folder.parent, composed(folder.name)) for folder in found)
    merged = sorted({name for (_, name), count in twice.items() if count > 1})
    if merged:
        classes = counted(len(merged), "class")
        yield f"{classes} of two folders each, named alike in other Unicode forms ({a_few(merged)})"
    letters = {name: "".join(name.casefold().split()) for name in listing.class_names}
    counts = Counter(letters.values())
    alike = [name for name in sorted(letters, key=lambda name: (letters[name], name)) if counts[letters[name]] > 1]
    if alike:
        yield f"{counted(len(alike), 'class')} whose names differ by case or spaces only ({a_few([*map(repr, alike)])})"
    yield from _nested(listing, found)


def _nested(listing: Listing, found: dict[Path, list[Image]]) -> Iterator[str]:
    own = {one.image.path.parent for one in listing.members()}
    nested = sorted(folder.name for folder in found if folder not in own)
    inner = {
        tuple(sorted({composed(image.parts[len(folder.relative_to(listing.root).parts)]) for image in images}))
        for folder, images in found.items()
    }
    if len(nested) == len(found) and len(inner) == 1 and len(*inner) > 1:
        yield (
            f"every class folder holds the same sub-folders ({a_few(*inner)}), which are not told apart: "
            "a split comes above its classes (train/NAME, test/NAME)"
        )
    elif nested:
        folders = counted(len(nested), "class folder")
        yield f"{folders} with images in sub-folders only, which are not told apart ({a_few(nested)})"
