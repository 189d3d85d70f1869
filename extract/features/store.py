"""The feature file on disk: written block by block, resumed after any kill, refused when anything is wrong.

One HDF5 file: attributes (`layout.Layout.header`, `schema`, `complete`, `content`), an integrity header in its user
block (`integrity`), and per split a group with `features` [V, N, D], `labels` int64 [N], `ids` bytes [N], `checksums`
uint32 [blocks], of grouped images `groups` int64 [N]. Everything is preallocated and contiguous. A block counts only
when its stored checksum is that of its rows, so whatever a killed writer left behind is either intact or computed
again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from extract.errors import InvalidInputError
from extract.features import integrity, structure
from extract.features.layout import SCHEMA, Layout, block_checksum, block_ranges, content_digest, encoded_ids
from extract.features.structure import Opened
from extract.runtime.disk import disk_errors, move, reserve, sync
from extract.runtime.locks import Lock, keep_while
from extract.runtime.machine import available_memory
from extract.runtime.typed_json import ShapeError

MAPPED_SHARE = 0.1
LIBRARY_VERSIONS = ("v108", "v108")  # checksummed headers


@dataclass(frozen=True)
class SplitFeatures:
    """One split as read: `features` [V, N, D] float16 or float32, `labels` int64 [N], `ids` N strings.

    `groups` int64 [N] are those of `extract.data.images.ImageSplit`, None where the images have none.
    """

    features: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    groups: np.ndarray | None = None


class FeatureWriter:
    """Writes `path` through `path`.partial. Use as a context manager, one writer at a time (see `locked`)."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._layout = layout
        self._lacks_only_its_name = False
        self.resumed = self._can_resume()
        with disk_errors(self._partial):
            if not self.resumed:
                self._create()
            mode = "r" if self._lacks_only_its_name else "r+"
            self._file: Opened = h5py.File(self._partial, mode, libver=LIBRARY_VERSIONS)

    @property
    def storage(self) -> str:
        """The dtype of the stored features."""
        return self._layout.storage

    @property
    def block_rows(self) -> int:
        """Rows between two checksums."""
        return self._layout.block_rows

    def __enter__(self) -> "FeatureWriter":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file:
            with disk_errors(self._partial):
                self._file.close()

    def missing(self, split: str) -> list[tuple[int, int]]:
        """The (start, stop) of the blocks that are not there yet, or not as their checksums say."""
        return _missing(self._file[split])

    def write(self, split: str, start: int, features: np.ndarray) -> None:
        """Writes the block `features` [V, n, D] at row `start`; its checksum follows when the rows are flushed."""
        group = self._file[split]
        with disk_errors(self._partial):
            group["features"][:, start : start + features.shape[1]] = features
            self._file.flush()
            group["checksums"][start // self._layout.block_rows] = block_checksum(features)
            self._file.flush()

    def finish(self) -> None:
        """Marks the file complete, makes that durable, and gives it its name."""
        with disk_errors(self._partial):
            if not self._lacks_only_its_name:
                self._complete()
            self._file.close()
            sync(self._partial)
            move(self._partial, self._path)
            sync(self._path.parent)

    def _complete(self) -> None:
        self._file.flush()
        sync(self._partial)  # the long part of it while the header is still that of an unfinished file
        self._file.attrs["content"] = content_digest(self._layout.header(), structure.bound_arrays(self._file))
        self._file.attrs["complete"] = True
        regions = _regions(self._file, "features")
        self._file.close()
        integrity.write(self._partial, schema=SCHEMA, complete=True, regions=regions)

    def _can_resume(self) -> bool:
        if not self._partial.is_file() or self._partial.is_symlink():  # a link would be written to wherever it leads
            return False
        found = integrity.read(self._partial)
        if found is None or integrity.broken(self._partial, found):
            return False  # a partial file whose structure is not as it was made is made anew
        with h5py.File(self._partial, "r") as file:
            try:
                structure.check(file, byte_count=found.file_bytes)
            except ValueError:
                return False
            fits = self._matches(file)
            # Killed while the system still wrote it: as it is, or anew. Changing what is complete would move its bytes.
            self._lacks_only_its_name = fits and found.complete and not any(map(_missing, file.values()))
        return fits and (self._lacks_only_its_name or not found.complete)

    def _matches(self, file: Opened) -> bool:
        if file.attrs.get("schema") != SCHEMA:
            return False
        if {key: str(file.attrs[key]) for key in structure.TEXTS} != self._layout.header():
            return False
        return all(
            np.array_equal(file[name]["labels"][:], rows.labels)
            and np.array_equal(file[name]["ids"][:], encoded_ids(rows.ids))
            and _are_equal(_groups(file[name]), rows.groups)
            and file[name]["features"].shape == self._layout.shape(name)
            and file[name].attrs["block_rows"] == self._layout.block_rows
            for name, rows in self._layout.splits.items()
        )

    def _create(self) -> None:
        self._partial.unlink(missing_ok=True)
        # Before HDF5 touches the disk: it cannot even close a file whose writes fail.
        reserve(self._partial, self._layout.file_bytes())
        self._partial.unlink(missing_ok=True)
        with h5py.File(self._partial, "w-", libver=LIBRARY_VERSIONS, userblock_size=integrity.BYTES) as file:
            for key, value in self._layout.header().items():
                file.attrs[key] = value
            file.attrs["schema"] = SCHEMA
            file.attrs["complete"] = False
            file.attrs["content"] = "0" * 64  # as long as what replaces it, so that nothing moves
            for name in sorted(self._layout.splits):
                self._create_split(file.create_group(name), name)
            regions = (*integrity.OPEN_MARK, *_regions(file, "features", "checksums"))
        reserve(self._partial, self._partial.stat().st_size)
        integrity.write(self._partial, schema=SCHEMA, complete=False, regions=regions)

    def _create_split(self, group: Opened, name: str) -> None:
        layout, rows = self._layout, self._layout.splits[name]
        block_count = len(block_ranges(len(rows.labels), layout.block_rows))
        group.attrs["block_rows"] = layout.block_rows
        group.create_dataset("labels", data=rows.labels.astype(np.int64))
        group.create_dataset("ids", data=encoded_ids(rows.ids))
        if rows.groups is not None:
            group.create_dataset(structure.GROUPS, data=rows.groups.astype(np.int64))
        group.create_dataset("checksums", data=np.zeros(block_count, np.uint32))
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        group.create_dataset("features", layout.shape(name), layout.storage, dcpl=early, fill_time="never")


class FeatureFile:
    """A complete feature file, checked on opening except for its blocks, which are checked as they are read.

    As long as it is there, `pipeline cache trim` leaves its file where it is.

    Raises `InvalidInputError` when there is no file and `CorruptFileError`, saying what is wrong, when it is foreign,
    truncated, incomplete, altered or of another schema.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path = Path(path)
        if not path.is_file() or not keep_while(self, path):
            must = "be a file, not a folder" if path.is_dir() else "exist"
            raise InvalidInputError(f"feature file must {must}; got {str(path)!r}. `pipeline extract` makes one.")
        integrity.check(path, schema=SCHEMA)
        try:
            self._open()
        except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError, RecursionError) as error:
            is_said = type(error) in (ValueError, ShapeError)
            what = str(error) if is_said else "its structure is that of no feature file"
            raise integrity.damaged(path, what) from error

    def _open(self) -> None:
        with self._opened() as file:
            header = structure.header(file, byte_count=self.path.stat().st_size)
            self.shapes: dict[str, tuple[int, int, int]] = {name: file[name]["features"].shape for name in file}
            self.storage: str = str(next(iter(file.values()))["features"].dtype)
        self.spec = header["spec"]
        self.digest = header["digest"]
        self.content = header["content"]
        self.versions = header["versions"]
        self.class_names = tuple(header["class_names"])
        self.skipped_ids = tuple(header["skipped_ids"])
        self.engine = header["engine"]

    @property
    def row_count(self) -> int:
        """Images over all splits."""
        return sum(shape[1] for shape in self.shapes.values())

    @property
    def dimension(self) -> int:
        """Width of one embedding."""
        return next(iter(self.shapes.values()))[2]

    def read(self, split: str) -> SplitFeatures:
        """One split whole. Raises `CorruptFileError` with the rows of the first block whose checksum is wrong.

        Features of more than `MAPPED_SHARE` of the free memory are not read into it but mapped from the file: the
        system fetches pages as they are used, drops them where memory runs short, and lets nothing be written to them.
        """
        if split not in self.shapes:
            raise InvalidInputError(
                f"split must be one of {', '.join(self.shapes)}; got {split!r} for {str(self.path)!r}."
            )
        with self._opened() as file:
            group = file[split]
            features = self._features(group["features"])
            for start, stop, checksum in _blocks(group):
                self._check_block(split, start, features[:, start:stop], checksum)
            try:
                ids = tuple(one.decode() for one in group["ids"][:].tolist())
            except UnicodeDecodeError as error:
                raise integrity.damaged(self.path, f"ids of {split} are no text") from error
            return SplitFeatures(features, group["labels"][:], ids, _groups(group))

    def _features(self, data: Opened) -> np.ndarray:
        if data.id.get_storage_size() <= MAPPED_SHARE * available_memory():
            return data[:]
        return np.memmap(self.path, data.dtype, mode="r", offset=data.id.get_offset(), shape=data.shape)

    def block(self, split: str, start: int, stop: int) -> np.ndarray:
        """[V, stop - start, D]: one block of rows as it was written; CorruptFileError if its checksum is wrong."""
        with self._opened() as file:
            group = file[split]
            rows = group["features"][:, start:stop]
            self._check_block(split, start, rows, group["checksums"][start // int(group.attrs["block_rows"])])
            return rows

    def _check_block(self, split: str, start: int, rows: np.ndarray, checksum: int) -> None:
        if block_checksum(rows) != checksum:
            last = start + rows.shape[1] - 1
            raise integrity.damaged(self.path, f"rows {start} to {last} of {split} do not match their checksum")

    def verify(self) -> None:
        """Reads everything; raises `CorruptFileError` at the first thing that is wrong."""
        for split in self.shapes:
            self.read(split)

    @contextmanager
    def _opened(self) -> Iterator[Opened]:
        with h5py.File(self.path, "r") as file:
            yield file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock beside `path` while its body runs; another process that wants it waits until it ends."""
    with Lock(path.with_name(path.name + ".lock")):
        yield


def _are_equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other if one is None or other is None else np.array_equal(one, other)


def _groups(group: Opened) -> np.ndarray | None:
    """The groups of a split's rows, where it has some."""
    return group[structure.GROUPS][:] if structure.GROUPS in group else None


def _blocks(group: Opened) -> list[tuple[int, int, int]]:
    """(start, stop, checksum) of every block of a split."""
    ranges = block_ranges(group["features"].shape[1], int(group.attrs["block_rows"]))
    return [(start, stop, checksum) for (start, stop), checksum in zip(ranges, group["checksums"][:], strict=True)]


def _missing(group: Opened) -> list[tuple[int, int]]:
    # 0 is what a block without checksum shows; the one block in 2^32 whose checksum is 0 is recomputed
    return [
        (start, stop)
        for start, stop, checksum in _blocks(group)
        if checksum == 0 or block_checksum(group["features"][:, start:stop]) != checksum
    ]


def _regions(file: Opened, *names: str) -> integrity.Regions:
    """(offset, length) in bytes of the named data sets of every split, from the start of the file on disk."""
    held = [split[name].id for split in file.values() for name in names]
    return tuple(sorted((data.get_offset(), data.get_storage_size()) for data in held))
