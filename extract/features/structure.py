"""Permitted structure of a feature file: checked when it is opened, before anything that it declares is believed.

The integrity header vouches that nothing has changed since the file was written; this, that it was written as feature
files are: plain contiguous arrays in the file itself, no larger than the file, no links, bounded texts.
"""

import json
from typing import Any, TypedDict

import h5py
import numpy as np

from extract.features.layout import content_digest, spec_digest
from extract.runtime.typed_json import Count, Sha256, typed

Opened = Any  # h5py.File or Group: their own types make every item a union of all that a file may hold
TEXTS = ("spec", "digest", "versions", "class_names", "skipped_ids", "engine")
JSON_TEXTS = ("spec", "versions", "class_names", "skipped_ids")
DATA_SETS = ["checksums", "features", "ids", "labels"]
GROUPS = "groups"  # which of them a split may have too
MOST_SPLITS, MOST_ATTRIBUTES, LONGEST_ID = 16, 64, 2**16


class _Weights(TypedDict):
    source: str
    sha256: str
    seed: Count | None


class _Data(TypedDict):
    name: str
    digest: str
    subset: Count | None
    test_subset: Count | None
    seed: Count | None


class _Preprocessing(TypedDict):
    image_size: tuple[Count, Count]


class FeatureSpec(TypedDict):
    """The `spec` attribute of a feature file, as far as it is read again."""

    backbone: str
    weights: _Weights
    dataset: _Data
    preprocessing: _Preprocessing
    pool: str
    layers: str | None
    views: str
    precision: str
    batch_size: Count
    storage: str


class FeatureHeader(TypedDict):
    """The text attributes of a feature file, read."""

    spec: FeatureSpec
    digest: Sha256
    content: Sha256
    versions: dict[str, str]
    class_names: list[str]
    skipped_ids: list[str]
    engine: str


def header(file: Opened, *, byte_count: int) -> FeatureHeader:
    """The texts of a feature file with all of its spec; ValueError, saying what is wrong, unless all is well."""
    check(file, byte_count=byte_count)
    texts = {name: str(file.attrs[name]) for name in TEXTS}
    found: Any = {name: json.loads(text) if name in JSON_TEXTS else text for name, text in texts.items()}
    found["content"] = str(file.attrs["content"])
    typed(found, FeatureHeader)  # what it returns lacks the further keys of the spec
    arrays = bound_arrays(file)
    _require(found["digest"] == spec_digest(found["spec"]), "its digest is not that of its spec")
    _require(found["content"] == content_digest(texts, arrays), "its content is not what it says")
    for name, (labels, *_) in arrays.items():
        known = labels.min() >= 0 and labels.max() < len(found["class_names"])
        _require(known, f"{name}/labels names classes that it has not")
    return found


def check(file: Opened, *, byte_count: int) -> None:
    """ValueError for a file of `byte_count` bytes that is not made like feature files.

    Nothing that the file declares is read before it was found to be small.
    """
    _check_attributes(file, byte_count)
    _require(1 <= len(file) <= MOST_SPLITS, f"it has {len(file)} splits")
    for name in file:
        _require(_is_own(file, name, h5py.Group), f"{name[:40]!r} is no group of its own")
        _check_split(file[name], name[:40], byte_count)
    kinds = {(file[name]["features"].shape[::2], file[name]["features"].dtype) for name in file}
    _require(len(kinds) == 1, "its splits have features of several widths or types")


def bound_arrays(file: Opened) -> dict[str, tuple[np.ndarray, ...]]:
    """The labels, encoded ids and block checksums of each split, and its groups where it has some."""
    names = ("labels", "ids", "checksums", GROUPS)
    return {split: tuple(file[split][name][:] for name in names if name in file[split]) for split in file}


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)


def _check_attributes(file: Opened, byte_count: int) -> None:
    _require(len(file.attrs) <= MOST_ATTRIBUTES, f"root has {len(file.attrs)} attributes")
    for name in (*TEXTS, "content"):
        _require(name in file.attrs, f"it lacks the attribute {name}")
        found = file.attrs.get_id(name)
        is_text = found.shape == () and h5py.check_string_dtype(found.dtype) is not None
        _require(is_text and found.dtype.itemsize <= byte_count, f"its attribute {name} is no text")


def _check_split(group: Opened, name: str, byte_count: int) -> None:
    complete = len(group) <= len(DATA_SETS) + 1 and sorted({*group} - {GROUPS}) == DATA_SETS
    _require(complete, f"{name} does not hold {', '.join(DATA_SETS)}")
    for one in group:
        _require(_is_own(group, one, h5py.Dataset), f"{name}/{one} is no array of its own")
        _require(_is_plain(group[one], byte_count), f"{name}/{one} is no plain array that the file has room for")
    checksums, features, ids, labels = (group[one] for one in DATA_SETS)
    is_float = features.dtype.kind == "f" and features.dtype.itemsize in (2, 4)
    shaped = features.ndim == 3 and 0 not in features.shape
    _require(is_float and shaped, f"{name}/features is no float16 or float32 [views, rows, width]")
    rows = (features.shape[1],)
    _require(labels.dtype == np.int64 and labels.shape == rows, f"{name}/labels is no int64 [rows]")
    if GROUPS in group:
        numbers = group[GROUPS]
        _require(numbers.dtype == np.int64 and numbers.shape == rows, f"{name}/{GROUPS} is no int64 [rows]")
    is_text = ids.dtype.kind == "S" and 1 <= ids.dtype.itemsize <= LONGEST_ID
    _require(is_text and ids.shape == rows, f"{name}/ids is no text [rows]")
    found = group.attrs.get_id("block_rows") if "block_rows" in group.attrs else None
    is_count = found is not None and found.shape == () and found.dtype.kind in "iu"
    _require(is_count and group.attrs["block_rows"] >= 1, f"{name} lacks the number of rows between two checksums")
    blocks = (-(-features.shape[1] // int(group.attrs["block_rows"])),)
    _require(checksums.dtype == np.uint32 and checksums.shape == blocks, f"{name}/checksums is no uint32 [blocks]")


def _is_own(group: Opened, name: str, kind: type) -> bool:
    """Whether the name leads to an object of that kind in this file, and not by a link to somewhere else."""
    return type(group.get(name, getlink=True)) is h5py.HardLink and group.get(name, getclass=True) is kind


def _is_plain(data: Opened, byte_count: int) -> bool:
    """Whether an array lies in one piece in this file, all of it, as it is."""
    made = data.id.get_create_plist()
    if made.get_layout() != h5py.h5d.CONTIGUOUS or made.get_external_count() or made.get_nfilters():
        return False
    offset, size = data.id.get_offset(), data.id.get_storage_size()
    if data.dtype.kind not in "fiuS" or data.dtype.itemsize == 0 or offset is None:
        return False
    return size > 0 and offset + size <= byte_count and size == data.size * data.dtype.itemsize
