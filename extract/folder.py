"""A folder of class folders of photographs, with `train/` and `test/` (or `val/`) inside, or without."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from extract.errors import InvalidInput
from extract.images import Files, ImageSet, Split, stratified_rows
from extract.machine import core_count

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
)
TEST_FRACTION = 0.2
SPLIT_SEED = 0  # the split belongs to the data, so runs with different seeds share their test images


class UnreadableImage(InvalidInput):
    """An image file that cannot be decoded; `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"image must be readable; got {str(path)!r}, which is not ({reason}). "
            "Mend or remove it, or leave such files out with --on-bad-image skip."
        )
        self.path = path


def decode(path: Path) -> Image.Image:
    """The image as RGB, upright (EXIF orientation applied), fully decoded. Raises `UnreadableImage`."""
    try:
        with Image.open(path) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UnreadableImage(path, str(error) or type(error).__name__) from error


def fingerprint(root: Path) -> str:
    """sha256 over every image's path below `root` and its content: moving or touching files changes nothing."""
    paths = [path for files in _split_folders(root).values() for _, path in _class_files(files)]
    with ThreadPoolExecutor(core_count()) as pool:
        contents = pool.map(lambda path: hashlib.sha256(path.read_bytes()).digest(), paths)
        total = hashlib.sha256()
        for path, content in zip(paths, contents, strict=True):
            total.update(path.relative_to(root).as_posix().encode() + b"\0" + content)
    return total.hexdigest()


def load(root: Path) -> ImageSet:
    """The data set under `root`. Class names are the class folders' names, sorted.

    With `train/` and `test/` (or `val/`) inside, those are the splits. Otherwise a stratified fifth of each
    class is the test split, the same one every time.
    """
    found = {split: _class_files(folder) for split, folder in _split_folders(root).items()}
    class_names = tuple(sorted({name for name, _ in found["train"]}))
    strange = sorted({name for files in found.values() for name, _ in files} - set(class_names))
    if strange:
        raise InvalidInput(
            f"test classes must be among the training classes; got {strange[0]!r} in {str(root)!r}. "
            "Rename the folder or add training images."
        )
    if len(class_names) < 2:
        raise InvalidInput(f"data set must have at least two class folders; got {len(class_names)} in {str(root)!r}.")
    splits = {split: _split(files, root=root, class_names=class_names) for split, files in found.items()}
    if "test" not in splits:
        splits = _cut(splits["train"], root)
    return ImageSet(root.resolve().name, class_names, splits)


def without_unreadable(images: ImageSet) -> tuple[ImageSet, tuple[str, ...]]:
    """The data set without the images that cannot be decoded, and the ids of those."""
    splits, skipped = {}, []
    for name, split in images.splits.items():
        if not isinstance(split.images, Files):
            splits[name] = split
            continue
        with ThreadPoolExecutor(core_count()) as pool:
            readable = np.fromiter(pool.map(_is_readable, split.images.paths), bool, len(split))
        skipped += [split.ids[row] for row in np.flatnonzero(~readable)]
        splits[name] = split.take(np.flatnonzero(readable))
        if not len(splits[name]):
            raise InvalidInput(f"{name} split must keep at least one readable image; all {len(split)} are unreadable.")
    return ImageSet(images.name, images.class_names, splits), tuple(skipped)


def _is_readable(path: Path) -> bool:
    try:
        decode(path)
    except UnreadableImage:
        return False
    return True


def _split_folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise InvalidInput(f"data set directory must exist; got {str(root)!r}. Check the path.")
    if not (root / "train").is_dir():
        return {"train": root}
    for name in ("test", "val"):
        if (root / name).is_dir():
            return {"train": root / "train", "test": root / name}
    return {"train": root / "train"}


def _class_files(folder: Path) -> list[tuple[str, Path]]:
    """(class name, file) of every image below the class folders of `folder`, sorted."""
    found = []
    for class_folder in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(
            path
            for path in class_folder.rglob("*")
            if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
        )
        if not files:
            raise InvalidInput(
                f"class folder must hold images ({', '.join(sorted(SUFFIXES))}); got {str(class_folder)!r}, which has "
                "none. Remove it or add images."
            )
        found += [(class_folder.name, path) for path in files]
    if not found:
        raise InvalidInput(f"data set directory must hold class folders with images; got {str(folder)!r}, without any.")
    return found


def _split(files: list[tuple[str, Path]], *, root: Path, class_names: tuple[str, ...]) -> Split:
    index = {name: label for label, name in enumerate(class_names)}
    labels = np.array([index[name] for name, _ in files], np.int64)
    ids = tuple(path.relative_to(root).as_posix() for _, path in files)
    return Split(Files(tuple(path for _, path in files)), labels, ids)


def _cut(whole: Split, root: Path) -> dict[str, Split]:
    sizes = np.bincount(whole.labels)
    if sizes.min() < 2:
        raise InvalidInput(
            f"every class must have at least two images to be split into training and test; got a class with "
            f"{sizes.min()} in {str(root)!r}. Add images, or make train/ and test/ folders."
        )
    test = stratified_rows(whole.labels, max(round(TEST_FRACTION * len(whole)), 1), seed=SPLIT_SEED)
    train = np.setdiff1d(np.arange(len(whole)), test)
    return {"train": whole.take(train), "test": whole.take(test)}
