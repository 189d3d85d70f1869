"""Input checks of every head: one clear sentence for each thing that is wrong."""

import numbers
import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError

Features = np.ndarray | torch.Tensor | ArrayLike


def as_tensor(features: Features) -> torch.Tensor:
    """`features` as a torch tensor that shares their memory where it can; floats keep their precision.

    Integers become float64. Raises InvalidInputError for complex numbers, sparse matrices, and what is no array.
    """
    tensor = features.detach() if isinstance(features, torch.Tensor) else _shared(_as_array(features))
    if tensor.is_complex():
        raise InvalidInputError("features must be real; got complex numbers. Complex data not supported.")
    return tensor if tensor.is_floating_point() else tensor.double()


def _shared(array: np.ndarray) -> torch.Tensor:
    """A tensor in the memory of `array`, which may be mapped from a file and read only: no head writes to features."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array)


def _as_array(features: Features) -> np.ndarray:
    if hasattr(features, "toarray"):
        raise InvalidInputError("features must be a dense array; got a sparse matrix. Call its toarray() first.")
    array = np.asarray(features)
    if array.dtype.kind == "O":
        array = array.astype(np.float64)
    if array.dtype.kind not in "fiubc":
        raise InvalidInputError(f"features must be numbers; got an array of {array.dtype}. Convert them to floats.")
    if array.dtype.byteorder == ">" or any(step < 0 for step in array.strides):
        array = np.array(array, dtype=array.dtype.newbyteorder("="))  # what torch.from_numpy cannot share
    return array.astype(np.float64) if array.dtype.kind in "uf" and array.dtype.itemsize > 8 else array


def matrix(features: Features, *, width: int | None = None, head: str = "a head") -> torch.Tensor:
    """`features` as a finite float tensor [N, D], on the device where they already are.

    `width` is the D that a fitted `head` expects. Raises InvalidInputError for another number of axes, no rows
    or no columns, NaN or infinity, and another width.
    """
    tensor = as_tensor(features)
    if tensor.ndim != 2:
        raise InvalidInputError(
            f"features must be an array [N, D]; got shape {tuple(tensor.shape)}. Reshape your data: one row an image."
        )
    rows, columns = tensor.shape
    if columns == 0:
        raise InvalidInputError(
            f"features must be at least one column wide; got 0 feature(s) (shape=({rows}, 0)) "
            "while a minimum of 1 is required."
        )
    if rows == 0:
        raise InvalidInputError(f"features must be at least one row; got 0 rows of {columns}. Pass some images.")
    if width is not None and columns != width:
        raise InvalidInputError(
            f"features must be {width} wide, as in training; got X has {columns} features, "
            f"but {head} is expecting {width} features as input. Use features of the same backbone and recipe."
        )
    require_finite(tensor)
    return tensor


def require_finite(features: torch.Tensor) -> None:
    """Raises InvalidInputError where a feature is NaN or infinite, naming the first such row."""
    low, high = torch.aminmax(features)  # NaN wins both, and no boolean copy of the array is made
    if bool(torch.isfinite(low)) and bool(torch.isfinite(high)):
        return
    bad = ~torch.isfinite(features.reshape(-1, features.shape[-1])).all(1)
    first, count = int(bad.nonzero()[0]), int(bad.sum())
    raise InvalidInputError(
        f"features must be finite; got NaN or infinity (inf) in {count} row(s), first in row {first}. "
        "Extract them again, or in float32 if float16 overflowed."
    )


def encode(labels: ArrayLike | torch.Tensor, *, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(the sorted distinct labels [K], the class index of every row int64 [N]) of `labels` [N].

    Raises InvalidInputError where labels are no class labels, their number is not `rows`, or one class is all.
    """
    array = label_array(labels, rows=rows)
    classes, encoded = np.unique(array, return_inverse=True)
    if len(classes) < 2:
        raise InvalidInputError(
            f"labels must be of at least two classes; got only one class, {_plain(classes[0])!r}. "
            "Add images of another class."
        )
    return classes, encoded.astype(np.int64)


def label_array(labels: ArrayLike | torch.Tensor, *, rows: int) -> np.ndarray:
    """`labels` as an array [N] with `rows` entries; InvalidInputError otherwise."""
    if labels is None:
        raise InvalidInputError(
            "labels must be given; got None. This head requires y to be passed, but the target y is None."
        )
    array = labels.cpu().numpy() if isinstance(labels, torch.Tensor) else _as_labels(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        from sklearn.utils import column_or_1d

        array = column_or_1d(array, warn=True)  # scikit-learn's warning: a column was probably not meant
    if array.ndim != 1:
        raise InvalidInputError(f"labels must be one axis [N]; got shape {array.shape}. Pass one label an image.")
    if len(array) != rows:
        raise InvalidInputError(
            f"labels must be as many as the rows of features, {rows}; got {len(array)}. "
            "Pass the labels of these very images."
        )
    _require_classes(array)
    is_boxed = array.dtype.kind == "O" and {_kind(one) for one in array[:1]} == {"number"}  # as a pandas column may be
    return np.array(array.tolist()) if is_boxed or array.dtype.kind == "T" else np.asarray(array)  # neither can be kept


def group_array(groups: ArrayLike, *, rows: int) -> np.ndarray:
    """`groups` as an array [N] with `rows` entries, whole numbers or texts; InvalidInputError otherwise."""
    array = np.asarray(groups)
    if array.dtype.kind == "O" and {_kind(one) for one in array.flat} == {"text"}:  # as a pandas column holds them
        array = array.astype(str)
    if array.shape != (rows,) or array.dtype.kind not in "iuUS":
        raise InvalidInputError(
            f"groups must be {rows} whole numbers or texts, one for each row; got shape {array.shape} of "
            f"{array.dtype}. Pass the groups of these very images."
        )
    return array


def _as_labels(labels: Any) -> np.ndarray:
    """`labels` as an array; of a list as objects first, since NumPy would make texts of all where one is a text."""
    if isinstance(labels, np.ndarray):
        return labels
    if isinstance(labels, list | tuple):
        labels = [one.item() if isinstance(one, torch.Tensor) and one.ndim == 0 else one for one in labels]
    try:
        objects = np.asarray(labels, dtype=object)
        if objects.ndim == 1:
            _require_one_kind(objects)
        return np.asarray(labels)
    except InvalidInputError:
        raise
    except ValueError as error:
        raise InvalidInputError(f"labels must be an array [N]; got none ({error}). Pass one label an image.") from error


def _require_classes(labels: np.ndarray) -> None:
    """Raises InvalidInputError for labels [N] that are missing, of several kinds, or measured values."""
    absent = np.isnat(labels) if labels.dtype.kind in "mM" else np.ma.getmaskarray(labels)
    if absent.any():
        row = int(absent.argmax())
        raise _missing(row, labels[row])
    if labels.dtype.kind == "O":
        _require_one_kind(labels)
    try:
        numbers_ = labels.astype(np.float64) if labels.dtype.kind == "f" or _are_floats(labels) else None
    except (TypeError, ValueError):
        numbers_ = None
    if labels.dtype.kind == "c" or (numbers_ is not None and np.isinf(numbers_).any()):
        raise InvalidInputError(
            "labels must be classes; got other values. Input y contains infinity or complex numbers."
        )
    if numbers_ is None:
        return
    if np.isnan(numbers_).any():
        raise _missing(int(np.isnan(numbers_).argmax()), labels[np.isnan(numbers_)][0])
    if (numbers_ != np.floor(numbers_)).any():
        raise InvalidInputError("labels must be classes; got fractions. Unknown label type: continuous.")


def _are_floats(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "O" and all(isinstance(label, float | np.floating) for label in labels)


def _require_one_kind(labels: np.ndarray) -> None:
    """Raises InvalidInputError where a label of objects [N] is missing, or where texts stand beside numbers."""
    first: dict[str, Any] = {}
    for row, label in enumerate(labels):
        if _is_missing(label):
            raise _missing(row, label)
        first.setdefault(_kind(label), label)
    if len(first) > 1:
        one, other, *_ = first.values()
        raise InvalidInputError(
            f"labels must be all of one kind, texts or numbers; got {_plain(one)!r} beside {_plain(other)!r}. "
            "Convert them to texts."
        )
    if "other" in first:
        raise InvalidInputError(
            f"labels must be texts or numbers; got {first['other']!r}. Unknown label type: unknown."
        )


def _kind(label: Any) -> str:
    kinds = ((str, "text"), (bytes, "bytes"), (numbers.Number | np.bool_, "number"))
    return next((name for kind, name in kinds if isinstance(label, kind)), "other")


def _is_missing(label: Any) -> bool:
    """Whether a label is None, NaN, or what pandas has for nothing: it does not equal itself."""
    try:
        return label is None or not bool(np.all(label == label))
    except (TypeError, ValueError):
        return True


def _plain(label: Any) -> Any:
    """A label as plain Python holds it, to be shown."""
    return label.item() if isinstance(label, np.generic) else label


def _missing(row: int, label: Any) -> InvalidInputError:
    return InvalidInputError(
        f"labels must be given for every image; got {_plain(label)!r} in row {row}. Input y contains NaN or None: "
        "leave such images out."
    )
