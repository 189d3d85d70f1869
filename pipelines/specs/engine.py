"""Execution backend: the options of `pipeline run`, and of what else is computed by several processes."""

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


@dataclass(frozen=True)
class ShardsSpec(EngineSpec):
    """The shards of one extraction, and the backend that computes them. Raises `InvalidInputError` as `EngineSpec`."""

    shards: int | None = option(
        None, "Parts, computed by an engine of several processes and joined.", low=1, metavar="N", default_text="1"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        idle = [name for name in ("jobs", "scheduler") if getattr(self, name) is not None]
        idle += ["engine"] if self.engine != "loky" else []
        if self.shards is None and idle:
            raise InvalidInputError(f"{idle[0]} must come with --shards; got it alone. Add --shards 8.")
