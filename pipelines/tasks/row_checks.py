"""Whether a data set has the images that a job needs, as far as its labels tell: before anything is paid for."""

from typing import TYPE_CHECKING

import numpy as np

from extract.data.images import ImageSet
from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec

if TYPE_CHECKING:
    from pipelines.studies.jobs import Job

HEADED = ("head-first", "frozen")  # modes that begin with a head, which needs a validation split
HEAD_HELD_OUT = 0.1


def check_job(job: "Job", data: ImageSet) -> None:
    """InvalidInputError where `data` has too few images for a job: all, of a class, for a batch or validation."""
    if job.network is not None:
        spec = job.network
        labels = training_labels(spec, data)
        check_training(
            labels,
            mode=spec.mode,
            batch_size=spec.whole_recipe().batch_size,
            part=spec.validation_part(),
            seed=spec.seed,
        )
        return
    assert job.features is not None
    labels = training_labels(job.features, data)
    if job.head is not None:
        check_head(job.head, labels)


def training_labels(spec: ExtractSpec | NetworkSpec, data: ImageSet) -> np.ndarray:
    """int64 [N]: labels of the training images that a spec takes of `data`; InvalidInputError as of `subset`."""
    return spec.sample(data).splits["train"].labels


def check_training(
    labels: np.ndarray, *, mode: str, batch_size: int, part: float | int | None, seed: int
) -> np.ndarray:
    """The rows [N'] of `labels` that a network is trained on; `InvalidInputError` where they are too few."""
    import heads

    rows, _ = heads.validation_split(labels, part, seed=seed)
    if mode in HEADED:
        heads.validation_split(labels[rows], HEAD_HELD_OUT, seed=seed)
    if mode != "frozen" and len(rows) < batch_size:
        raise InvalidInputError(
            f"training images must be at least one batch, {batch_size}; got {len(rows)}. "
            "Give a smaller --batch-size or more images."
        )
    return rows


def check_head(spec: HeadSpec, labels: np.ndarray) -> None:
    """Raises `InvalidInputError` where `labels` leave no validation split to choose a head by."""
    import heads

    heads.validation_split(labels, spec.validation_part(), seed=spec.seed)
