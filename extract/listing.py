"""Which files of a folder of class folders are images, of which class and split; what is passed over is said."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from extract.errors import InvalidInput

# of common formats that Pillow reads
_NAMES = (
    """jpg jpeg jpe jfif png apng webp avif gif bmp dib tif tiff jp2 j2k jpx tga ppm pgm pbm pnm qoi dds pcx sgi mpo"""
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
TRAIN = ("train", "training")  # names of split folders, in any case; of several the first counts
TEST = ("test", "testing", "val", "valid", "validation")


def split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits of the data set under `root`: `train`, and `test` where it has one."""
    if not root.is_dir():
        raise InvalidInput(f"data set directory must exist; got {str(root)!r}. Check the path.")
    train, test = _named(root, TRAIN), _named(root, TEST)
    if train is None:
        return {"train": root}
    return {"train": train} if test is None else {"train": train, "test": test}


def _named(root: Path, names: tuple[str, ...]) -> Path | None:
    """The sub-folder with the first of `names` that there is, in any case."""
    present = {path.name.lower(): path for path in _folders(root)}
    return next((present[name] for name in names if name in present), None)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_hidden(path.name))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over."""
    return name.startswith(".") or name == "__MACOSX"  # what archives made on a Mac leave behind


def split_notices(root: Path, folders: dict[str, Path]) -> Iterator[str]:
    """What a reader of the folder may not expect of its splits."""
    if folders["train"] == root:
        return
    others = [path.name for path in _folders(root) if path not in folders.values()]
    if others:
        yield f"{str(root)!r} has {', '.join(others)} beside its splits: left out"
    if "test" not in folders:
        yield f"{str(root)!r} has no test or val folder: a fifth of {folders['train'].name} is the test split"


def file_notices(folders: dict[str, Path]) -> Iterator[str]:
    """How many files were left out because their names are not those of images."""
    left = Counter(
        path.suffix.lower() or "no suffix"
        for folder in folders.values()
        for class_folder in _folders(folder)
        for path in _visible_files(class_folder)
        if path.suffix.lower() not in SUFFIXES
    )
    if left:
        kinds = ", ".join(suffix for suffix, _ in left.most_common(5))
        yield f"{left.total()} files in class folders are no images by their names ({kinds}): left out"


def _visible_files(folder: Path) -> list[Path]:
    """The files below `folder`, none of them hidden nor in a hidden folder, sorted."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(is_hidden(part) for part in path.relative_to(folder).parts)
    )


def class_files(folder: Path) -> list[tuple[str, Path]]:
    """(class name, file) of every image below the class folders of `folder`, sorted."""
    found = []
    for class_folder in _folders(folder):
        if not os.access(class_folder, os.R_OK | os.X_OK):
            raise InvalidInput(f"class folder must be readable; got {str(class_folder)!r}. Change its permissions.")
        files = [path for path in _visible_files(class_folder) if path.suffix.lower() in SUFFIXES]
        if not files:
            raise InvalidInput(
                f"class folder must hold images ({', '.join(sorted(SUFFIXES))}); got {str(class_folder)!r}, which has "
                "none. Remove it or add images."
            )
        found += [(class_folder.name, _with_plain_name(path)) for path in files]
    if not found:
        raise InvalidInput(f"data set directory must hold class folders with images; got {str(folder)!r}, without any.")
    return found


def _with_plain_name(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise InvalidInput(f"image path must be valid UTF-8; got '{shown}'. Rename it.") from error
    return path
