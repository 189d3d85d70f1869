"""Tables with image bytes, parquet or Hugging Face's Arrow files: unpacked once into a folder of images with labels."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from extract.data.labeled import SPLITS, VALIDATION
from extract.data.labels.columns import LabelFile, chosen
from extract.data.labels.table import LabelTable, arrow_tables
from extract.data.walk import printable
from extract.errors import InvalidInputError
from extract.runtime.disk import disk_errors
from extract.runtime.locks import Lock

SUFFIXES = (".parquet", ".arrow")
METADATA = "metadata.jsonl"
SAVED = "dataset_dict.json"  # which Hugging Face's save_to_disk writes beside the folders of its splits
UNPACKED, SCRATCH = "unpacked", ".part-"
CACHED = "cache-*.arrow"  # in which Hugging Face's map leaves rows beside those of the data set
JPEG = b"\xff\xd8\xff"


def shards(place: Path) -> list[Path]:
    """The files of a table at `place`, a file or a folder of them, sorted; none where there is none."""
    if place.suffix.lower() in SUFFIXES and place.is_file():
        return [place]
    if not os.path.isdir(place):  # a name may be too long to be asked for
        return []
    patterns = ("*.parquet", "*.arrow", "data/*.parquet", *(["*/*.arrow"] if (place / SAVED).is_file() else []))
    found = [one for pattern in patterns for one in place.glob(pattern)]
    return sorted(one for one in found if one.stem != "metadata" and not fnmatch(one.name, CACHED))


def unpacked(place: Path, files: Sequence[Path], folder: Path, columns: tuple[str, ...]) -> tuple[Path, LabelFile]:
    """(a folder of the images in `files`, the file of labels in it), below `folder`; unpacked where it is not yet.

    It is known by the files' names, sizes, times (mtime, ctime) and inodes, so that they are read once. Raises
    `InvalidInputError` for a table without a column of image bytes, or without labels.
    """
    stamps = ((str(one), one.stat()) for one in map(Path.absolute, files))
    facts = [[one, stamp.st_size, stamp.st_mtime_ns, stamp.st_ctime_ns, stamp.st_ino] for one, stamp in stamps]
    name = hashlib.sha256(json.dumps([facts, columns]).encode()).hexdigest()[:16]
    target = folder / UNPACKED / name / place.resolve().stem
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
    with disk_errors(target), Lock(target.parent / ".lock"):
        if not target.is_dir():
            for left in target.parent.glob(f"{SCRATCH}*"):  # by a process that was killed
                shutil.rmtree(left)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=SCRATCH) as scratch:
                part = Path(scratch) / "whole"
                part.mkdir()
                _unpack(place, files, part, LabelFile(METADATA, columns))
                os.rename(part, target)
    return target, LabelFile(str(target / METADATA), name=printable(target.name))


def _unpack(place: Path, files: Sequence[Path], target: Path, labels: LabelFile) -> None:
    splits = [_split(file, place) for file in files]
    if any(splits) and not all(splits):
        without, other = splits.index(""), next(number for number, split in enumerate(splits) if split)
        raise InvalidInputError(
            f"files of a table must all be named after their split, or none; got {files[without].name!r} beside "
            f"{files[other].name!r}. Name them train-0.parquet, test-0.parquet."
        )
    with (target / METADATA).open("w", encoding="utf-8") as metadata:
        for number, (file, split) in enumerate(zip(files, splits, strict=True)):
            for row, (content, told) in enumerate(_rows(file, labels)):
                name = f"{split or 'image'}-{number:03d}-{row:07d}{'.jpg' if content.startswith(JPEG) else '.png'}"
                (target / name).write_bytes(content)
                said = {"file_name": name, **({"split": split} if split else {}), **told}
                metadata.write(json.dumps(said) + "\n")


def _split(file: Path, place: Path) -> str:
    """The split that a file is of, by the start of its name (train-00000-of-00001) or its folder's; "" for none."""
    words = (re.split("[-._]", file.name)[0], *([] if file == place else [file.parent.name]))
    return next((word.lower() for word in words if word.lower() in (*SPLITS, *VALIDATION)), "")


def _rows(file: Path, labels: LabelFile) -> Iterator[tuple[bytes, dict[str, object]]]:
    """The bytes of each image, and its label, split and group where the table says them."""
    named = labels.named()
    wanted = named.pop("path", None)
    for number, columns in enumerate(arrow_tables(file)):
        image = wanted or next((name for name, cells in columns.items() if _bytes(cells[:1])), None)
        if image not in columns or not _bytes(columns[image][:1]):
            raise InvalidInputError(
                f"table must have a column of image bytes; got {', '.join(map(repr, columns))} in {str(file)!r}. "
                "Use --labels for a table of paths."
            )
        others = {name: cells for name, cells in columns.items() if name != image}
        table = LabelTable(file.name, others, range(1, len(columns[image]) + 1), "row", typed=True)
        found = {role: column for role, column in chosen(table, named, needed=("label",)).items() if role != "path"}
        for row, cell in enumerate(columns[image]):
            if not (content := _bytes([cell])):
                raise InvalidInputError(
                    f"image must have bytes; got none {table.place(row)} (part {number}). Leave the row out."
                )
            yield content, {role: others[column][row] for role, column in found.items()}


def _bytes(cells: Sequence[Any]) -> bytes:
    """The bytes in the first cell, or under "bytes" in it as Hugging Face keeps an image; none where there are none."""
    cell = cells[0] if cells else None
    found = cell.get("bytes") if isinstance(cell, dict) else cell
    return found if isinstance(found, bytes) else b""
