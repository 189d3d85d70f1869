"""The training images whose features are nearest to those of new images, by exact search in the feature file."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from heads.trust.novelty import unit
from pipelines.tasks import features
from pipelines.workspace import extractions
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord

if TYPE_CHECKING:
    from extract.features.store import FeatureFile

BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Neighbor:
    """A training image: its id, its class, and the cosine of its features with the new image's."""

    id: str
    class_name: str
    similarity: float


def nearest(
    record: DoneRecord, queries: np.ndarray | None, context: Context, *, count: int
) -> list[list[Neighbor]] | None:
    """The `count` nearest training images of each row of `queries` [N, D], the nearest first.

    None where the run learned from no features, or their file is gone, which is then said.
    """
    if queries is None or record.features is None:
        return None
    noted = extractions.find(context.workspace, record.features.content, notice=context.notice)
    file = None if noted is None else features.intact(context.workspace / "features" / noted.file)
    if file is None or file.content != record.features.content:
        context.notice("the run's feature file is gone: no nearest training images are shown")
        return None
    return _search(file, queries, count=count)


def _search(file: "FeatureFile", queries: np.ndarray, *, count: int) -> list[list[Neighbor]]:
    train = file.read("train")
    table = train.features[0]  # [M, D]
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(table), BLOCK_ROWS)]
    wanted = unit(queries)
    similar = np.concatenate([wanted @ unit(table[one]).T for one in blocks], axis=1)  # [N, M]
    order = np.argsort(-similar, axis=1, kind="stable")[:, :count]
    return [
        [Neighbor(train.ids[row], file.class_names[int(train.labels[row])], float(near[row])) for row in rows]
        for near, rows in zip(similar, order, strict=True)
    ]
