"""A study from its file to its records: planned, computed once, recorded, continued, through every engine."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import heads
from extract.errors import StorageError, UnavailableError
from pipelines.specs.engine import EngineSpec
from pipelines.studies import execute, plan, study_file, worker
from pipelines.workspace import records
from pipelines.workspace.context import Context

TINY = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
HEAD = "jobs:\n  - {command: fit-head, backbone: test_resnet, c-grid: 1e-2, seed: [0, 1]}\n"
ANOTHER = "  - {command: fit-head, backbone: test_resnet, c-grid: 1e-1}\n"
SCRIPT = Path(__file__).with_name("studied.py")


@pytest.fixture
def studied(in_process) -> Callable[[str, Path], dict[str, Any]]:
    return lambda mode, root: json.loads(in_process(SCRIPT, mode, root))


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_a_study_of_12_jobs_killed_three_times_ends_with_12_whole_records(tmp_path, studied):
    left = studied("killed", tmp_path)
    assert left["answer"]["failed"] == 0
    assert left["answer"]["computed"] + left["answer"]["cached"] == left["answer"]["jobs"] == 12
    assert left["answer"]["cached"] >= left["records_after_kills"][-1] - 1  # a record may stand before its cache entry
    assert left["statuses"] == ["done"] * 12
    assert len(set(left["runs"])) == left["keys"] == 12
    assert sorted(left["answer"]["runs"]) == sorted(left["runs"])
    assert left["whole"]
    assert left["feature_files"] == 2
    assert left["records_after_kills"] == sorted(left["records_after_kills"])
    assert left["records_after_kills"][-1] > 0

    again = (
        "import sys\n"
        "from pipelines.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(sorted({'torch', 'timm', 'optuna', 'vl_convert'} & set(sys.modules)))"
    )
    words = ["run", left["study"], "--workspace", left["workspace"], "--json", "--jobs", "2", "--device", "cpu"]
    ended = subprocess.run([sys.executable, "-c", again, *words], capture_output=True, text=True, check=True)
    answer, heavy = ended.stdout.splitlines()
    assert json.loads(answer)["computed"] == 0
    assert json.loads(answer)["cached"] == 12
    assert heavy == "[]"


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_loky_dask_and_ray_give_the_same_scores(tmp_path, studied):
    found = studied("engines", tmp_path)
    assert {one["answer"]["computed"] for one in found.values()} == {4}
    assert len(found["loky"]["scores"]) == 4
    assert found["loky"]["scores"] == found["dask"]["scores"] == found["ray"]["scores"]


def test_a_study_is_computed_once_and_a_new_line_alone_when_it_is_added(pipeline, written):
    first = pipeline("run", written(TINY + HEAD), "--json").json
    assert (first["jobs"], first["computed"], first["cached"], first["failed"]) == (2, 2, 0, 0)
    assert len(set(first["runs"])) == 2
    again = pipeline("run", written(TINY + HEAD), "--json").json
    assert (again["computed"], again["cached"], again["runs"]) == (0, 2, first["runs"])
    more = pipeline("run", written(TINY + HEAD + ANOTHER), "--json").json
    assert (more["jobs"], more["computed"], more["cached"]) == (3, 1, 2)
    assert more["runs"][:2] == first["runs"]


def test_a_single_command_and_a_study_share_the_cache(pipeline, written):
    words = "--backbone test_resnet --weights untrained --dataset digits --image-size 16 --subset 100 --test-subset 50"
    head = pipeline("fit-head", *words.split(), "--c-grid", "1e-2", "--json").json
    answer = pipeline("run", written(TINY + HEAD), "--json").json
    assert (answer["computed"], answer["cached"]) == (1, 1)
    assert head["run"] in answer["runs"]


def test_runs_are_of_their_study_however_early_it_was_ended(pipeline, written, monkeypatch):
    from pipelines.cli.commands import run

    def end(self, job, result):
        if job.command != "extract":
            raise KeyboardInterrupt

    training = "  - {command: train, network: resnet8, width: 0.25, epochs: 1, batch-size: 20}\n"
    study = written(TINY + HEAD.replace("[0, 1]", "0") + training)
    for part in ("test_resnet", "resnet8"):
        with monkeypatch.context() as patch:
            patch.setattr(run.JobProgress, "__call__", end)
            assert pipeline("run", study, "--only", part).status == 130
    assert [one["study"] for one in pipeline("runs", "--json").json["runs"]] == ["study", "study"]


@pytest.fixture
def breaking():
    """Makes the stage of knn heads fail as by a fault of the machine."""
    real = heads.fit_head

    def fit_head(kind, *given, **options):
        if kind == "knn":
            raise RuntimeError("lost")
        return real(kind, *given, **options)

    with pytest.MonkeyPatch.context() as patched:  # of its own, to be undone alone
        patched.setattr(heads, "fit_head", fit_head)
        yield patched


def test_a_failed_job_is_a_record_and_the_rest_goes_on(pipeline, written, tmp_path, breaking):
    lines = "jobs:\n  - {command: fit-head, backbone: test_resnet, head: [knn, centroid]}\n"
    ended = pipeline("run", written(TINY + lines), "--json")
    assert (ended.status, ended.json["computed"], ended.json["failed"]) == (1, 1, 1)
    found, problems = records.read_all(tmp_path / "workspace")
    assert not problems
    failed = {record.name: record.error for record in found if record.status == "failed"}
    assert failed == {"knn on test_resnet": "lost"}
    assert sorted(ended.json["runs"]) == sorted(record.run for record in found)
    again = pipeline("run", written(TINY + lines), "--json")
    assert (again.status, again.json["cached"], again.json["failed"]) == (1, 1, 1)
    assert len(records.read_all(tmp_path / "workspace")[0]) == 2
    breaking.undo()
    assert pipeline("run", written(TINY + lines), "--json").json["computed"] == 1
    assert [one.status for one in records.read_all(tmp_path / "workspace")[0]] == ["done", "done"]


def test_a_mistake_that_only_the_job_can_know_is_told_and_leaves_no_record(pipeline, written, tmp_path):
    lines = "jobs:\n  - {command: fit-head, backbone: test_resnet, validation: [99, 10], c-grid: 1e-2}\n"
    ended = pipeline("run", written(TINY + lines + "  - {command: extract, dataset: nowhere}\n"), "--json")
    assert (ended.status, ended.json["computed"], ended.json["failed"]) == (2, 1, 2)
    told = {one["job"]: one["error"] for one in ended.json["failures"]}
    assert "validation must leave every class a row" in next(iter(told.values()))
    assert "unknown data set 'nowhere'" in told["features of resnet50 on nowhere"]
    (record,) = records.read_all(tmp_path / "workspace")[0]
    assert (record.status, ended.json["runs"]) == ("done", [record.run])


def test_broken_records_of_crashed_processes_hinder_nothing(pipeline, written, tmp_path):
    first = pipeline("run", written(TINY + HEAD), "--json").json
    (tmp_path / "workspace" / "runs" / first["runs"][0] / "record.json").write_text('{"schema": 1, "ru')
    stray = tmp_path / "workspace" / "runs" / "0123456789ab"
    stray.mkdir()
    (stray / "record.json").write_bytes(b"\x00" * 100)
    again = pipeline("run", written(TINY + HEAD), "--json").json
    assert (again["computed"], again["cached"], again["failed"]) == (1, 1, 0)
    assert again["runs"] == first["runs"]


def test_a_workspace_that_cannot_be_written_is_one_sentence(pipeline, written, tmp_path):
    (tmp_path / "file").write_text("")
    ended = pipeline("run", written(TINY + HEAD), "--workspace", tmp_path / "file")
    assert ended.status == 2
    assert "workspace must be a directory; got the file" in ended.err


def test_a_study_without_jobs_is_refused(pipeline, written):
    ended = pipeline("run", written("jobs: []"))
    assert ended.status == 2
    assert "study must have jobs" in ended.err


def test_trainings_come_first_in_a_workspace_that_is_there_and_their_data_are_looked_for_once(tmp_path, monkeypatch):
    """Or workers on other machines would find no workspace, and each would download the data."""
    weights = "{command: train, dataset: digits, network: [resnet8, resnet14]}"
    described = study_file.parse(f"jobs: [{{command: finetune, dataset: digits, weights: {weights}}}]")
    context, begun, looked = Context(tmp_path / "new"), [], []
    execution = execute.Execution(context, ("cpu",), on_result=lambda job, result: None)

    @contextlib.contextmanager
    def runner(engine):
        yield lambda jobs: begun.append((len(jobs), (context.workspace / "cache").is_dir()))

    monkeypatch.setattr(execution, "_runner", runner)
    monkeypatch.setattr(execution, "_fault", looked.append)
    runs, awaited = execution.trained(plan.plan(list(described.first), context), EngineSpec())
    assert (begun, len(looked)) == ([(2, True)], 1)
    assert (runs, list(awaited.values())) == ({}, [None, None])


@dataclasses.dataclass
class MortalPool:
    """A pool of two whose workers die at one job, as a machine short of memory kills them."""

    deadly: str
    jobs: int = 2
    slots: int = 2
    is_local: bool = False

    def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        for index, (job, _) in enumerate(tasks):
            if job.features.backbone == self.deadly:
                raise RuntimeError("a worker was terminated")
            yield index, worker.JobResult("computed")


def test_a_job_that_kills_its_worker_fails_and_the_rest_goes_on(tmp_path):
    names = [f"test_{index}" for index in range(6)]
    text = f"jobs:\n  - {{command: extract, dataset: digits, backbone: [{', '.join(names)}]}}\n"
    found = study_file.parse(text).jobs
    told: dict[str, worker.JobResult] = {}
    context = Context(tmp_path)
    execution = execute.Execution(
        context, ("cpu",), lambda job, outcome: told.update({job.features.backbone: outcome}), listed=frozenset(found)
    )
    execution.through(MortalPool("test_3"), found)
    assert {name: outcome.status for name, outcome in told.items()} == {
        name: "failed" if name == "test_3" else "computed" for name in names
    }
    (record,) = records.read_all(tmp_path)[0]
    assert "its process died" in record.error


class InlinePool(MortalPool):
    """A pool that does the jobs in this process, as a worker would."""

    def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        for index, task in enumerate(tasks):
            yield index, function(*task)


def test_what_jobs_in_workers_have_to_say_is_told_and_that_of_their_data_once(
    pipeline, written, photo_folder, monkeypatch
):
    broken = photo_folder / "flower" / "0.jpg"
    broken.write_bytes(broken.read_bytes()[:50])
    data = f"dataset: {photo_folder}, on-bad-image: skip, image-size: 16, batch-size: 4, crop: 5, validation: none"
    text = f"jobs: [{{command: train, network: resnet8, width: 0.25, epochs: 2, {data}, seed: [0, 1]}}]"
    monkeypatch.setattr(execute, "opened", lambda engine: contextlib.nullcontext(InlinePool("")))
    ended = pipeline("run", written(text), "--jobs", 2)
    assert ended.status == 0, ended.err
    assert ended.err.count("1 unreadable image skipped") == 1, ended.err
    assert ended.err.count("2/2 resnet8 scratch on photos (seed 1): --crop 5 moves images") == 1


def test_what_the_command_itself_cannot_write_is_no_dead_worker(tmp_path):
    def full(*_: object) -> None:
        raise StorageError("disk must have room")

    found = study_file.parse("jobs:\n  - {command: extract, dataset: digits, backbone: [test_0, test_1]}\n").jobs
    said: list[str] = []
    execution = execute.Execution(Context(tmp_path, notice=said.append), ("cpu",), full)
    with pytest.raises(StorageError, match="disk must have room"):
        execution.through(MortalPool(""), found)
    assert said == []


def test_a_cluster_that_does_not_see_the_workspace_is_refused(tmp_path):
    class Blind(MortalPool):
        def map(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
            yield 0, False

    (tmp_path / "cache").mkdir()
    with pytest.raises(UnavailableError, match="workspace must be shared with the workers"):
        execute.must_share(Blind(""), tmp_path)
    assert not list((tmp_path / "cache").iterdir())
