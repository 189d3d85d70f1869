"""Layout of a feature file besides the features, and the digests that bind it together."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

SCHEMA = 1


@dataclass(frozen=True)
class SplitRows:
    """The rows of one split: `labels` int64 [N], `ids` N strings, `groups` int64 [N] or None."""

    labels: np.ndarray
    ids: tuple[str, ...]
    groups: np.ndarray | None = None


@dataclass(frozen=True)
class Layout:
    """Everything about a feature file that is known before the first feature is computed.

    `spec` says what the features are; `engine` ("eager", "compiled" or "openvino") and `versions` say what computed
    them. `block_rows` is how many rows share a checksum.
    """

    spec: Mapping[str, Any]
    versions: dict[str, str]
    class_names: tuple[str, ...]
    skipped_ids: tuple[str, ...]
    engine: str
    storage: str
    view_count: int
    dimension: int
    block_rows: int
    splits: dict[str, SplitRows]

    def header(self) -> dict[str, str]:
        """The file's text attributes; two files with equal headers and rows hold the same features."""
        return {
            "spec": canonical_json(self.spec),
            "digest": spec_digest(self.spec),
            "versions": canonical_json(self.versions),
            "class_names": canonical_json(list(self.class_names)),
            "skipped_ids": canonical_json(list(self.skipped_ids)),
            "engine": self.engine,
        }

    def shape(self, split: str) -> tuple[int, int, int]:
        """[V, N, D] of the features of a split."""
        return self.view_count, len(self.splits[split].labels), self.dimension

    def file_bytes(self) -> int:
        """Size of the file, within some kilobytes: features, labels, ids, checksums, header."""
        width = np.dtype(self.storage).itemsize * self.view_count * self.dimension
        total = sum(len(text.encode()) for text in self.header().values())
        for rows in self.splits.values():
            id_width = max((len(one.encode()) for one in rows.ids), default=1)
            group_bytes = 0 if rows.groups is None else 8
            total += len(rows.labels) * (width + 8 + group_bytes + id_width) + 4 * (
                len(rows.labels) // self.block_rows + 1
            )
        return total


def block_ranges(row_count: int, block_rows: int) -> list[tuple[int, int]]:
    """The (start, stop) of every block of a split."""
    return [(start, min(start + block_rows, row_count)) for start in range(0, row_count, block_rows)]


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def spec_digest(spec: Mapping[str, Any]) -> str:
    """sha256 of a spec's canonical JSON without the name of its data set, whose digest says what it is."""
    dataset = {name: value for name, value in spec.get("dataset", {}).items() if name != "name"}
    return hashlib.sha256(canonical_json({**spec, "dataset": dataset}).encode()).hexdigest()


def block_checksum(block: np.ndarray) -> int:
    """CRC-32 of a block of features [V, n, D], view after view."""
    checksum = 0
    for view in block:
        checksum = zlib.crc32(np.ascontiguousarray(view).data, checksum)
    return checksum


def encoded_ids(ids: tuple[str, ...]) -> np.ndarray:
    """The ids as fixed-width UTF-8 bytes [N], so that their place in the file is known beforehand."""
    return np.array([one.encode() for one in ids], dtype=bytes)


def content_digest(header: dict[str, str], splits: dict[str, tuple[np.ndarray, ...]]) -> str:
    """sha256 over the header and, per split in order of name, its labels, encoded ids, block checksums and groups.

    Of the header's spec the digest counts, which leaves the data set's name out.
    """
    total = hashlib.sha256(canonical_json({**header, "spec": header["digest"]}).encode())
    for name in sorted(splits):
        total.update(name.encode() + b"\0")
        for array in splits[name]:
            total.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
    return total.hexdigest()
