"""What a feature file may consist of: checked when it is opened, before anything that it declares is believed.

The integrity header vouches that nothing has changed since the file was written; this, that it was written as feature
files are: plain contiguous arrays in the file itself, no larger than the file, no links, bounded texts.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, TypedDict

import h5py
import numpy as np

from extract.features.layout import content_digest, spec_digest
from extract.runtime.typed_json import Count, Sha256, typed

Opened = Any  # h5py.File: its own types make every item a union of all that a file may hold
TEXTS = ("spec", "digest", "versions", "class_names", "skipped_ids", "engine")
JSON_TEXTS = ("spec", "versions", "class_names", "skipped_ids")
DATA_SETS = ("checksums", "features", "ids", "labels")
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


class _Header(TypedDict):
    spec: FeatureSpec
    digest: Sha256
    content: Sha256
    versions: dict[str, str]
    class_names: list[str]
    skipped_ids: list[str]
    engine: str


def header(file: Opened, *, byte_count: int) -> dict[str, Any]:
    """The texts of a feature file of `byte_count` bytes, read; ValueError, saying what is wrong, unless all is well."""
    fault = next(iter(faults(file, byte_count=byte_count)), "")
    if fault:
        raise ValueError(fault)
    texts = {name: str(file.attrs[name]) for name in (*TEXTS, "content")}
    found = {name: json.loads(text) if name in JSON_TEXTS else text for name, text in texts.items()}
    typed(found, _Header)  # further keys of the spec stay
    fault = next(_false_claims(file, texts, found), "")
    if fault:
        raise ValueError(fault)
    return found


def faults(file: Opened, *, byte_count: int) -> Iterator[str]:
    """What is wrong with the structure; nothing that the file declares is read before it was found to be small."""
    names = [*TEXTS, "content"]
    yield from _attribute_faults(file, names, "root", byte_count)
    if not 1 <= len(file) <= MOST_SPLITS:
        yield f"it has {len(file)} splits"
    for name in file:
        if not _is_own(file, name, h5py.Group):
            yield f"{name[:40]!r} is no group of its own"
        else:
            yield from _split_faults(file[name], name, byte_count)
    shapes = {(file[name]["features"].shape[::2], file[name]["features"].dtype) for name in file}
    if len(shapes) > 1:
        yield "its splits have features of several widths or types"


def _attribute_faults(item: Opened, texts: Iterable[str], where: str, byte_count: int) -> Iterator[str]:
    if len(item.attrs) > MOST_ATTRIBUTES:
        yield f"{where} has {len(item.attrs)} attributes"
    for name in texts:
        if name not in item.attrs:
            yield f"it lacks the attribute {name}"
        found = item.attrs.get_id(name)
        if found.shape != () or h5py.check_string_dtype(found.dtype) is None or found.dtype.itemsize > byte_count:
            yield f"its attribute {name} is no text"


def _split_faults(group: Opened, name: str, byte_count: int) -> Iterator[str]:
    if len(group) != len(DATA_SETS) or sorted(group) != list(DATA_SETS):
        yield f"{name[:40]} does not hold {', '.join(DATA_SETS)}"
    for one in DATA_SETS:
        if not _is_own(group, one, h5py.Dataset):
            yield f"{name[:40]}/{one} is no array of its own"
        elif not _is_plain(group[one], byte_count):
            yield f"{name[:40]}/{one} is no plain array that the file has room for"
    yield from _shape_faults(group, name)


def _shape_faults(group: Opened, name: str) -> Iterator[str]:
    features, labels, ids, checksums = (group[one] for one in ("features", "labels", "ids", "checksums"))
    if features.dtype.kind != "f" or features.dtype.itemsize not in (2, 4) or features.ndim != 3 or 0 in features.shape:
        yield f"{name}/features is no float16 or float32 [views, rows, width]"
    rows = (features.shape[1],)
    if labels.dtype != np.int64 or labels.shape != rows:
        yield f"{name}/labels is no int64 [rows]"
    if ids.dtype.kind != "S" or not 1 <= ids.dtype.itemsize <= LONGEST_ID or ids.shape != rows:
        yield f"{name}/ids is no text [rows]"
    found = group.attrs.get_id("block_rows") if "block_rows" in group.attrs else None
    if found is None or found.shape != () or found.dtype.kind not in "iu" or group.attrs["block_rows"] < 1:
        yield f"{name} lacks the number of rows between two checksums"
    blocks = -(-features.shape[1] // int(group.attrs["block_rows"]))
    if checksums.dtype != np.uint32 or checksums.shape != (blocks,):
        yield f"{name}/checksums is no uint32 [blocks]"


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


def _false_claims(file: Opened, texts: dict[str, str], found: dict[str, Any]) -> Iterator[str]:
    """What the texts say that the arrays deny."""
    if found["digest"] != spec_digest(found["spec"]):
        yield "its digest is not that of its spec"
    arrays = {name: (file[name]["labels"][:], file[name]["ids"][:], file[name]["checksums"][:]) for name in file}
    if found["content"] != content_digest({name: texts[name] for name in TEXTS}, arrays):
        yield "its content is not what it says"
    for name, (labels, _, _) in arrays.items():
        if labels.min() < 0 or labels.max() >= len(found["class_names"]):
            yield f"{name}/labels names classes that it has not"
