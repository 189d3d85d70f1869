"""Images as arrays: what their shapes mean, checked, as uint8 [N, 3, H, W]; and `.npz` files of them."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extract.errors import InvalidInputError

# Names of the images and labels of each split: MedMNIST's, Keras's, and plain ones.
NAMES = {
    "train": (("train_images", "train_labels"), ("x_train", "y_train"), ("images", "labels"), ("x", "y"), ("X", "y")),
    "test": (("test_images", "test_labels"), ("x_test", "y_test")),
    "val": (("val_images", "val_labels"), ("x_val", "y_val")),
}
CLASS_NAMES = "class_names"


@dataclass(frozen=True)
class ArraySet:
    """Images uint8 [N, 3, H, W] and class indices int64 [N] of each split, by its name; names of the classes."""

    class_names: tuple[str, ...]
    splits: dict[str, tuple[np.ndarray, np.ndarray]]
    notices: tuple[str, ...] = ()


def levels(images: np.ndarray, *, what: str = "images") -> np.ndarray:
    """RGB levels uint8 [N, 3, H, W] of `images` [N, H, W], [N, H, W, 1 or 3] or [N, 1 or 3, H, W]; gray is repeated.

    Raises `InvalidInputError` for other shapes and types: levels from 0 to 1 and to 255 cannot be told apart.
    """
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or 0 in images.shape:
        raise InvalidInputError(
            f"{what} must be uint8 levels from 0 to 255, [N, H, W], [N, H, W, 3] or [N, 3, H, W]; got "
            f"{images.dtype} of shape {images.shape}. Convert fractions by (255 * images).round().astype('uint8')."
        )
    found = images[:, None] if images.ndim == 3 else images
    if images.ndim == 4 and images.shape[3] in (1, 3):
        found = images.transpose(0, 3, 1, 2)
    if found.shape[1] not in (1, 3):
        raise InvalidInputError(
            f"{what} must have one channel or three, first or last; got shape {images.shape}. Leave others out."
        )
    return np.repeat(found, 3, axis=1) if found.shape[1] == 1 else np.ascontiguousarray(found)


def read_npz(path: Path) -> ArraySet:
    """The data set in a file of `numpy.savez`: images and labels by split, and the names of the classes if it has them.

    Nothing is unpickled. Raises `InvalidInputError` for what is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            there = set(file.files)
            pairs = {
                split: next((one for one in names if there.issuperset(one)), None) for split, names in NAMES.items()
            }
            found = {split: (file[pair[0]], file[pair[1]]) for split, pair in pairs.items() if pair is not None}
            names = file[CLASS_NAMES] if CLASS_NAMES in there else None
    except (OSError, ValueError, AttributeError, zipfile.BadZipFile) as error:
        raise InvalidInputError(
            f"arrays must be readable without unpickling; got {str(path)!r} ({error}). Save them with numpy.savez."
        ) from error
    if "train" not in found:
        raise InvalidInputError(
            f"arrays must be called train_images and train_labels, x_train and y_train, or images and labels; got "
            f"{', '.join(sorted(there)) or 'none'} in {path.name}. Save them under these names."
        )
    labels = {split: _labels(path, *found[split]) for split in found}
    classes = np.unique(labels["train"])
    splits = {
        split: (levels(images, what=f"images of {split} in {path.name}"), _encoded(path, labels[split], classes))
        for split, (images, _) in found.items()
    }
    notices = ()
    if "val" in splits and "test" in splits:
        notices = (f"{len(splits.pop('val')[1])} validation images beside train and test left out",)
    elif "val" in splits:
        splits["test"] = splits.pop("val")
    _check_sizes(path, {split: images.shape[2:] for split, (images, _) in splits.items()})
    return ArraySet(_class_names(path, classes, names), splits, notices)


def _check_sizes(path: Path, sizes: dict[str, tuple[int, ...]]) -> None:
    """InvalidInputError for splits of different sizes: one network, with one resizing, is made for all."""
    if len(set(sizes.values())) > 1:
        got = " and ".join(f"{height} x {width} in {split}" for split, (height, width) in sizes.items())
        raise InvalidInputError(
            f"images must have one size in all splits; got {got} of {path.name}. Resize them, or save them as files "
            "of a folder."
        )


def _labels(path: Path, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
    if flat.ndim != 1 or len(flat) != len(images) or flat.dtype.kind not in "iuUb":
        raise InvalidInputError(
            f"labels must be one whole number or text for each image; got {labels.dtype} of shape {labels.shape} for "
            f"{len(images)} images in {path.name}. Save them as [N]."
        )
    return flat


def _encoded(path: Path, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    strange = np.setdiff1d(labels, classes)
    if len(strange):
        raise InvalidInputError(
            f"test classes must be among the training classes; got {strange[0].item()!r} in {path.name}. "
            "Leave such images out."
        )
    return np.searchsorted(classes, labels).astype(np.int64)


def _class_names(path: Path, classes: np.ndarray, names: np.ndarray | None) -> tuple[str, ...]:
    """The classes as `names` call them, by their numbers; else as the labels do."""
    if names is None:
        return tuple(map(str, classes.tolist()))
    if classes.dtype.kind not in "iu" or names.ndim != 1 or classes.min() < 0 or classes.max() >= len(names):
        raise InvalidInputError(
            f"{CLASS_NAMES} must name every class by its number from 0; got {names.shape} names for labels up to "
            f"{classes[-1].item()!r} in {path.name}."
        )
    return tuple(str(names[label]) for label in classes)
