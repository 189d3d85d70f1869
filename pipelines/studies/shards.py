"""One extraction in shards, each a job: over the engines of studies, with leases of GPUs as studies have them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.specs import ExtractKey, ExtractSpec
from pipelines.specs.engine import ShardsSpec
from pipelines.studies.execute import Execution
from pipelines.studies.jobs import Job, make
from pipelines.studies.worker import JobResult
from pipelines.tasks import shards
from pipelines.tasks.extract import extract as extract_by
from pipelines.tasks.shards import Done, ShardRequest
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction

RETRIES = 3  # of what a worker did that died, beside the others; then once more alone


def extract(
    spec: ExtractSpec, context: Context, *, sharded: ShardsSpec, devices: tuple[str, ...]
) -> StageResult[Extraction]:
    """The spec's feature file, found or computed in shards on the `devices` (none: each worker's own).

    Raises `TransferBenchError` with the sentence of the first shard that failed, when the others have ended.
    """

    def run(key: ExtractKey, requests: Sequence[ShardRequest], done: Done) -> None:
        resolved = replace(spec, precision=key.precision, batch_size=key.batch_size)
        (job,) = make("extract", resolved.as_dict(), workspace=context.workspace)
        failures: list[JobResult] = []

        def end(ended: Job, result: JobResult) -> None:
            assert ended.shard is not None
            if result.status != "failed":
                try:
                    return done(ended.shard)
                except TransferBenchError as error:
                    result = JobResult("failed", error=str(error))
            failures.append(result)
            context.notice(f"{label(ended)}: failed: {result.error}")
            return None

        quiet = replace(context, progress=lambda done, total, what: None)
        execution = Execution(quiet, devices, on_result=end, label=label, retries=RETRIES)
        execution.compute([replace(job, shard=one) for one in requests], sharded)
        if failures:
            kind = InvalidInputError if failures[0].refused else TransferBenchError
            raise kind(failures[0].error)

    return extract_by(spec, context, compute=partial(shards.joined, count=sharded.shards or 1, run=run))


def label(job: Job) -> str:
    """The name of a shard for people."""
    return "" if job.shard is None else f"shard {job.shard.number + 1} of {job.shard.count}"
