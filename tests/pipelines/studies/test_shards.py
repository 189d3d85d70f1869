"""Shards over an engine: workers that die, and what is tried again."""

import dataclasses
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pipelines.specs import ExtractSpec
from pipelines.studies import shards
from pipelines.studies.execute import Execution
from pipelines.studies.jobs import Job
from pipelines.studies.worker import JobResult
from pipelines.tasks.shards import ShardRequest
from pipelines.workspace.context import Context

SCRIPT = Path(__file__).with_name("studied.py")
JOBS = [Job("extract", ExtractSpec(), shard=ShardRequest(number, 6, "", ())) for number in range(6)]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_shards_of_which_a_dask_worker_dies_in_the_middle_give_the_file_of_one_process(tmp_path, in_process):
    found = json.loads(in_process(SCRIPT, "shards", tmp_path))
    assert found == {"died": True, "equal": True, "bytes": found["bytes"]}


@dataclasses.dataclass
class DyingPool:
    """A pool of two, one of whose workers dies the first so many times, at the third job."""

    deaths: int
    jobs: int = 2
    slots: int = 2
    is_local: bool = False
    begun: int = 0

    def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        self.begun += 1
        for index, (job, _) in enumerate(tasks):
            if job.shard.number == 2 and self.begun <= self.deaths:
                raise RuntimeError("a worker was terminated")
            yield index, JobResult("computed")


@pytest.mark.parametrize("deaths", [0, 1, shards.RETRIES, shards.RETRIES + 1, 99])
def test_what_a_worker_did_that_died_is_tried_again_but_not_for_ever(tmp_path, deaths):
    ended: dict[int, str] = {}
    execution = Execution(
        Context(tmp_path),
        ("cpu",),
        lambda job, result: ended.update({job.shard.number: result.status}),
        retries=shards.RETRIES,
    )
    execution.through(DyingPool(deaths), JOBS)
    failed = deaths > shards.RETRIES + 1
    assert ended == {number: "failed" if failed and number == 2 else "computed" for number in range(6)}
