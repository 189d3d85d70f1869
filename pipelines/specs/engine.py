"""Execution backend of a study: the options of `pipeline run`."""

from dataclasses import dataclass

from extract.errors import InvalidInputError
from extract.runtime.options import option
from pipelines.specs.spec import Spec


@dataclass(frozen=True)
class EngineSpec(Spec):
    """An execution backend: joblib over processes here (loky), or over a dask or ray cluster.

    `jobs` None is one, or what the slots of a cluster hold. Raises `InvalidInputError` for options that exclude each
    other.
    """

    engine: str = option("loky", "Execution backend.", choices=("loky", "dask", "ray"))
    jobs: int | None = option(None, "Jobs at once; they share the cores out.", low=1, metavar="N", default_text="1")
    scheduler: str | None = option(None, "A dask or ray cluster.", metavar="ADDRESS", default_text="workers here")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.scheduler is not None and self.engine == "loky":
            raise InvalidInputError("scheduler must come with --engine dask or ray; got --engine loky, which has none.")
        if self.scheduler is not None and self.jobs is not None:
            raise InvalidInputError(
                "jobs must be left to the cluster, by its slots; got --jobs with --scheduler. Leave one out."
            )

    @property
    def is_remote(self) -> bool:
        """Whether its workers may be on other machines."""
        return self.scheduler is not None
