"""A folder of class folders of photographs, with `train/` and `test/` (or `val/`) inside, or without."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from extract.decoding import UnreadableImage, decode
from extract.errors import InvalidInput
from extract.images import Files, ImageSet, Split, stratified_rows
from extract.listing import class_files, file_notices, split_folders, split_notices
from extract.machine import core_count

TEST_FRACTION = 0.2
SPLIT_SEED = 0  # the split belongs to the data, so runs with different seeds share their test images


def fingerprint(root: Path) -> str:
    """sha256 over every image's path below `root` and its content: moving or touching files changes nothing."""
    paths = [path for files in split_folders(root).values() for _, path in class_files(files)]
    with ThreadPoolExecutor(core_count()) as pool:
        contents = pool.map(_content, paths)
        total = hashlib.sha256()
        for path, content in zip(paths, contents, strict=True):
            total.update(path.relative_to(root).as_posix().encode() + b"\0" + content)
    return total.hexdigest()


def load(root: Path) -> ImageSet:
    """The data set under `root`. Class names are the class folders' names, sorted.

    With `train/` and `test/` (or `val/`) inside, those are the splits. Otherwise a stratified fifth of each
    class is the test split, the same one every time. What was left out is said in `notices`.
    """
    folders = split_folders(root)
    found = {split: class_files(folder) for split, folder in folders.items()}
    class_names = tuple(sorted({name for name, _ in found["train"]}))
    strange = sorted({name for files in found.values() for name, _ in files} - set(class_names))
    if strange:
        raise InvalidInput(
            f"test classes must be among the training classes; got {strange[0]!r} in {str(root)!r}. "
            "Rename the folder or add training images."
        )
    if len(class_names) < 2:
        raise InvalidInput(
            f"data set must have at least two class folders; got {', '.join(class_names)} alone in {str(root)!r}. "
            "Name the folder that holds them."
        )
    splits = {split: _split(files, root=root, class_names=class_names) for split, files in found.items()}
    if "test" not in splits:
        splits = _cut(splits["train"], root=root, class_names=class_names)
    notices = (*split_notices(root, folders), *file_notices(folders))
    return ImageSet(root.resolve().name, class_names, splits, notices)


def without_unreadable(images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """(the data set without the images that cannot be decoded, the ids of those).

    Raises `InvalidInput` where a class would be left without images in a split.
    """
    splits, skipped = {}, []
    for name, split in images.splits.items():
        if not isinstance(split.images, Files):
            splits[name] = split
            continue
        with ThreadPoolExecutor(core_count()) as pool:
            readable = np.fromiter(pool.map(_is_readable, split.images.paths), bool, len(split))
        skipped += [split.ids[row] for row in np.flatnonzero(~readable)]
        splits[name] = split.take(np.flatnonzero(readable))
        _require_classes(split, splits[name], name=name, class_names=images.class_names)
    return replace(images, splits=splits), tuple(skipped)


def _require_classes(whole: Split, kept: Split, *, name: str, class_names: tuple[str, ...]) -> None:
    lost = sorted(set(whole.labels.tolist()) - set(kept.labels.tolist()))
    if lost:
        raise InvalidInput(
            f"every class must keep a readable image in the {name} split; got none of {class_names[lost[0]]!r}. "
            "Mend its images, or remove its folder."
        )


def _is_readable(path: Path) -> bool:
    try:
        decode(path)
    except UnreadableImage:
        return False
    return True


def _content(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b"unreadable"  # decoding it will name it, or it is skipped


def _split(files: list[tuple[str, Path]], *, root: Path, class_names: tuple[str, ...]) -> Split:
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.array([index[name] for name, _ in files], np.int64)
    ids = tuple(path.relative_to(root).as_posix() for _, path in files)
    return Split(Files(tuple(path for _, path in files)), labels, ids)


def _cut(whole: Split, *, root: Path, class_names: tuple[str, ...]) -> dict[str, Split]:
    sizes = np.bincount(whole.labels)
    if sizes.min() < 2:
        raise InvalidInput(
            f"every class must have at least two images to be split into training and test; got {sizes.min()} of "
            f"{class_names[int(sizes.argmin())]!r} in {str(root)!r}. Add images, or make train/ and test/ folders."
        )
    test = stratified_rows(whole.labels, max(round(TEST_FRACTION * len(whole)), 1), seed=SPLIT_SEED)
    train = np.setdiff1d(np.arange(len(whole)), test)
    return {"train": whole.take(train), "test": whole.take(test)}
