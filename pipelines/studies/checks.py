"""Whether a job can be right, as far as that is known without its data: what its backbone, head or network refuses.

Imports torch when it is called; a job that the cache has was right once and need not be asked about.
"""

import functools
from pathlib import Path

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, weights_source
from pipelines.studies.jobs import Job


def check(job: Job, *, workspace: Path) -> None:
    """Raises `InvalidInputError` for a job that can never be right, before anything is computed for it.

    What own weights in the `workspace` hold is known to the job alone.
    """
    if job.network is not None:
        from pipelines.training import validate

        validate.check(job.network, own_weights=_are_own(str(job.network.weights), workspace))
    if job.features is not None and not _are_own(job.features.weights, workspace):
        _check_backbone(job.features)
    if job.head is not None:
        from pipelines.tasks import fitting

        fitting.check(job.head)


def _are_own(weights: str, workspace: Path) -> bool:
    """Whether the weights are a run's, if only of one that another job has yet to make."""
    try:
        return weights_source(weights, workspace).run_folder is not None
    except InvalidInputError:
        return True


def _check_backbone(spec: ExtractSpec) -> None:
    _check_built(spec.backbone, spec.image_size, spec.pool, spec.layers)


@functools.lru_cache(maxsize=1024)
def _check_built(name: str, image_size: int | None, pool: str, layers: str | None) -> None:
    from extract.backbones import frozen

    indices = ExtractSpec(layers=layers).layer_indices()
    frozen.check(name, image_size=image_size, pool=pool, layers=indices)
