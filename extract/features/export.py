"""A feature file as a table for other programs: Parquet, NumPy, CSV or AnnData, by the suffix of the name.

A row is an image: its id, split and label, and the features of its plain view in float32.
"""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extract.errors import extra
from extract.features.layout import canonical_json
from extract.features.store import FeatureFile


@dataclass(frozen=True)
class FeatureTable:
    """All images of a feature file: `features` float32 [N, D], the names of their classes and splits, their ids."""

    features: np.ndarray
    labels: list[str]
    splits: list[str]
    ids: list[str]
    class_names: tuple[str, ...]
    spec: str

    @classmethod
    def of(cls, file: FeatureFile) -> "FeatureTable":
        """The rows of a file, the training split's first."""
        names = sorted(file.shapes, key=lambda name: name != "train")
        read = {name: file.read(name) for name in names}
        return cls(
            np.concatenate([one.features[0] for one in read.values()]).astype(np.float32),
            [file.class_names[label] for one in read.values() for label in one.labels],
            [name for name, one in read.items() for _ in one.ids],
            [name for one in read.values() for name in one.ids],
            file.class_names,
            canonical_json(file.spec),
        )

    @property
    def columns(self) -> list[str]:
        """Names of the columns of the features."""
        return [f"f{index}" for index in range(self.features.shape[1])]


def write(file: FeatureFile, path: Path) -> int:
    """Writes the features of `file` as `path` says by its suffix, one of `WRITERS`: the number of rows."""
    rows = FeatureTable.of(file)
    WRITERS[path.suffix.lower()](rows, path)
    return len(rows.ids)


def _npz(rows: FeatureTable, path: Path) -> None:
    with path.open("wb") as stream:
        np.savez(
            stream,
            features=rows.features,
            labels=np.array([rows.class_names.index(one) for one in rows.labels]),
            splits=np.array(rows.splits),
            ids=np.array(rows.ids),
            class_names=np.array(rows.class_names),
            spec=np.array(rows.spec),
        )


def _csv(rows: FeatureTable, path: Path) -> None:
    with path.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["id", "split", "label", *rows.columns])
        for name, split, label, one in zip(rows.ids, rows.splits, rows.labels, rows.features, strict=True):
            table.writerow([name, split, label, *(f"{value:.9g}" for value in one)])


def _parquet(rows: FeatureTable, path: Path) -> None:
    arrow, parquet = (extra(name, of="parquet", thing="Parquet") for name in ("pyarrow", "pyarrow.parquet"))
    columns = {"id": rows.ids, "split": rows.splits, "label": rows.labels}
    columns |= dict(zip(rows.columns, rows.features.T, strict=True))
    parquet.write_table(arrow.table(columns, metadata={"spec": rows.spec}), path)


def _anndata(rows: FeatureTable, path: Path) -> None:
    anndata = extra("anndata", of="anndata", thing="AnnData")
    pandas = extra("pandas", of="anndata", thing="AnnData")
    about = pandas.DataFrame({"split": rows.splits, "label": rows.labels}, index=rows.ids, dtype="category")
    variables = pandas.DataFrame(index=rows.columns)
    anndata.AnnData(rows.features, obs=about, var=variables, uns={"spec": rows.spec}).write_h5ad(path)


WRITERS: dict[str, Callable[[FeatureTable, Path], None]] = {
    ".parquet": _parquet,
    ".npz": _npz,
    ".csv": _csv,
    ".h5ad": _anndata,
}
