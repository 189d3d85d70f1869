"""A feature file without the training images that an audit found to be near-duplicates."""

import hashlib
import json
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from msgspec import structs

from extract.errors import InvalidInputError
from extract.features.layout import Layout, SplitRows, block_ranges
from pipelines.tasks.features import intact, known, path_of
from pipelines.workspace import extractions, records
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from extract.features.store import FeatureFile

WITHOUT = "without"  # in the spec of such a file: digest of the ids that were left out


def without(file: "FeatureFile", dropped: Collection[int], context: Context) -> Path:
    """The feature file of `file` without the training rows `dropped`, written or found, with its record.

    Raises `InvalidInputError` where a class would be left without training images.
    """
    from extract.features.store import FeatureFile, FeatureWriter, locked

    read = {name: file.read(name) for name in file.shapes}
    kept = np.setdiff1d(np.arange(len(read["train"].labels)), np.array(sorted(dropped), np.int64))
    lost = np.setdiff1d(read["train"].labels, read["train"].labels[kept])
    if len(lost):
        raise InvalidInputError(
            f"every class must keep a training image without near-duplicates; got none of {file.class_names[lost[0]]}. "
            "Look at the audit first; features of another --backbone tell more apart."
        )
    rows = {name: kept if name == "train" else np.arange(len(one.labels)) for name, one in read.items()}
    gone = json.dumps([read["train"].ids[row] for row in sorted(dropped)])
    splits = {
        name: SplitRows(
            one.labels[rows[name]],
            tuple(one.ids[row] for row in rows[name]),
            None if one.groups is None else one.groups[rows[name]],
        )
        for name, one in read.items()
    }
    layout = _layout(file, splits, digest=hashlib.sha256(gone.encode()).hexdigest())
    path = path_of(context.workspace / "features", dict(layout.spec))
    with locked(path):
        if intact(path) is None:
            with FeatureWriter(path, layout) as writer:
                for name, one in read.items():
                    for start, stop in block_ranges(len(rows[name]), layout.block_rows):
                        writer.write(name, start, one.features[:, rows[name][start:stop]])
                writer.finish()
        made = FeatureFile(path)
        if extractions.find(context.workspace, made.content) is None:
            facts = {"file": path.name, "digest": made.digest, "content": made.content, "rows": made.row_count}
            facts |= {"created": records.now(), "file_bytes": path.stat().st_size}
            extractions.write(context.workspace, structs.replace(known(file, context), **facts))
    return path


def _layout(file: "FeatureFile", splits: dict[str, SplitRows], *, digest: str) -> Layout:
    return Layout(
        spec={**file.spec, WITHOUT: digest},
        versions=file.versions,
        class_names=file.class_names,
        skipped_ids=file.skipped_ids,
        engine=file.engine,
        storage=file.storage,
        view_count=next(iter(file.shapes.values()))[0],
        dimension=file.dimension,
        block_rows=512,
        splits=splits,
    )
