"""Feature files made by hand with a valid integrity header: refused in one sentence, whatever they declare."""

import json
import tracemalloc

import h5py
import numpy as np
import pytest

from extract.errors import CorruptFileError
from extract.features import integrity
from extract.features.layout import SCHEMA, canonical_json, content_digest, spec_digest
from extract.features.store import FeatureFile
from tests.extract.features import written

SPEC = {**written.SPEC, "views": "plain"}
ROWS = 4


def put(group, name, data):
    del group[name]
    group[name] = data


def early(group, name, shape, dtype):
    """An array that declares `shape` and holds nothing yet."""
    del group[name]
    group.create_dataset(name, shape, dtype)


def texts(**changes):
    header = {"spec": canonical_json(SPEC), "digest": spec_digest(SPEC), "versions": "{}", "engine": "eager"}
    return {**header, "class_names": json.dumps(["a", "b"]), "skipped_ids": "[]", **changes}


def made(path, spoil=lambda file: None, **changes):
    """A feature file like the real ones, then spoiled, then given a valid integrity header."""
    with h5py.File(path, "w", libver="latest", userblock_size=integrity.BYTES) as file:
        for name, value in texts(**changes).items():
            file.attrs[name] = value
        file.attrs["schema"], file.attrs["complete"] = SCHEMA, True
        group = file.create_group("train")
        group.attrs["block_rows"] = ROWS
        group["features"] = np.zeros((1, ROWS, 3), np.float16)
        group["labels"] = np.arange(ROWS) % 2
        group["ids"] = np.array([b"a", b"b", b"c", b"d"])
        group["checksums"] = np.zeros(1, np.uint32)
        arrays = {"train": tuple(group[name][:] for name in ("labels", "ids", "checksums"))}
        file.attrs["content"] = content_digest(texts(**changes), arrays)
        spoil(file)
    integrity.write(path, schema=SCHEMA, complete=True, regions=())
    return path


def outside(file):
    del file["train"]
    file["train"] = h5py.ExternalLink("/etc/passwd", "/")


def round_and_round(file):
    del file["train"]["ids"]
    file["train"]["ids"] = file["train"]


def virtual(file):
    layout = h5py.VirtualLayout((1, ROWS, 3), np.float16)
    layout[:] = h5py.VirtualSource("other.h5", "x", (1, ROWS, 3))
    del file["train"]["features"]
    file["train"].create_virtual_dataset("features", layout)


def external(file):
    del file["train"]["features"]
    file["train"].create_dataset("features", (1, ROWS, 3), np.float16, external="/etc/passwd")


SPOILED = {
    "text for numbers": lambda file: put(file["train"], "labels", [b"a"] * ROWS),
    "text for features": lambda file: put(file["train"], "features", np.full((1, ROWS, 3), b"xx")),
    "float64 features": lambda file: put(file["train"], "features", np.zeros((1, ROWS, 3))),
    "10^12 rows": lambda file: early(file["train"], "features", (1, 10**12, 3), np.float16),
    "40 million labels": lambda file: early(file["train"], "labels", (40_000_000,), np.int64),
    "chunks": lambda file: (put(file["train"], "labels", 0), early(file["train"], "labels", (ROWS,), np.int64)),
    "an external link": outside,
    "a soft link": lambda file: (put(file["train"], "ids", 0), put(file["train"], "ids", h5py.SoftLink("/train"))),
    "a circle": round_and_round,
    "a virtual array": virtual,
    "an external array": external,
    "no split": lambda file: file.pop("train"),
    "a split that is an array": lambda file: put(file, "train", np.zeros(3)),
    "100 splits": lambda file: [file.create_group(str(index)) for index in range(100)],
    "an array for a text": lambda file: file.attrs.__setitem__("spec", np.zeros(9)),
    "no spec": lambda file: file.attrs.pop("spec"),
    "no block_rows": lambda file: file["train"].attrs.pop("block_rows"),
    "block_rows 0": lambda file: file["train"].attrs.__setitem__("block_rows", 0),
    "a class that is not there": lambda file: put(file["train"], "labels", np.full(ROWS, 7)),
    "groups of fewer rows": lambda file: file["train"].create_dataset("groups", data=np.zeros(1, np.int64)),
    "groups that are texts": lambda file: file["train"].create_dataset("groups", data=[b"a"] * ROWS),
    "groups that were not there": lambda file: file["train"].create_dataset("groups", data=np.zeros(ROWS, np.int64)),
    "another array": lambda file: file["train"].create_dataset("more", data=np.zeros(ROWS, np.int64)),
    "fewer ids": lambda file: put(file["train"], "ids", np.array([b"a"])),
    "another content": lambda file: file.attrs.__setitem__("content", "0" * 64),
}  # fmt: skip


def test_what_is_spoiled_below_is_whole_before(tmp_path):
    assert FeatureFile(made(tmp_path / "f.h5")).shapes == {"train": (1, ROWS, 3)}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_a_file_that_is_not_made_like_feature_files_is_refused_without_believing_it(tmp_path, spoil):
    path = made(tmp_path / "f.h5", spoil)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(CorruptFileError, match="feature file must be intact"):
        FeatureFile(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "changes",
    [
        {"spec": "[" * 100_000, "digest": "0" * 64},
        {"spec": "{}", "digest": spec_digest({})},
        {"spec": canonical_json({**SPEC, "weights": 5}), "digest": spec_digest({**SPEC, "weights": 5})},
        {"class_names": "5"},
        {"class_names": "[1, 2]"},
        {"versions": "x"},
        {"digest": "0" * 64},
    ],
)
def test_texts_of_another_shape_are_refused(tmp_path, changes):
    with pytest.raises(CorruptFileError, match="feature file must be intact"):
        FeatureFile(made(tmp_path / "f.h5", **changes))
