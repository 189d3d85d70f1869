"""A study from its file to its records: planned, computed once, recorded, continued, through every engine."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import heads
from extract.data import datasets
from pipelines.studies import jobs, plan, study_file
from pipelines.workspace import records
from pipelines.workspace.context import Context

TINY = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
HEAD = "jobs:\n  - {command: fit-head, backbone: test_resnet, c-grid: 1e-2, seed: [0, 1]}\n"
ANOTHER = "  - {command: fit-head, backbone: test_resnet, c-grid: 1e-1}\n"
SCRIPT = Path(__file__).with_name("studied.py")


@pytest.fixture
def written(tmp_path):
    """Writes a study file and gives its path."""

    def write(text: str, name: str = "study.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def studied(in_process) -> Callable[[str, Path], dict[str, Any]]:
    return lambda mode, root: json.loads(in_process(SCRIPT, mode, root))


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_a_study_of_24_jobs_killed_five_times_ends_with_24_whole_records(tmp_path, studied):
    left = studied("killed", tmp_path)
    assert left["answer"]["failed"] == 0
    assert left["answer"]["computed"] + left["answer"]["cached"] == left["answer"]["jobs"] == 24
    assert left["answer"]["cached"] >= left["records_after_kills"][-1] - 1  # a record may stand before its cache entry
    assert left["statuses"] == ["done"] * 24
    assert len(set(left["runs"])) == left["keys"] == 24
    assert sorted(left["answer"]["runs"]) == sorted(left["runs"])
    assert left["whole"]
    assert left["feature_files"] == 2
    assert left["records_after_kills"] == sorted(left["records_after_kills"])
    assert left["records_after_kills"][-1] > 0

    again = (
        "import sys, time; begun = time.perf_counter()\n"
        "from pipelines.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "print(time.perf_counter() - begun, sorted({'torch', 'timm', 'optuna', 'vl_convert'} & set(sys.modules)))"
    )
    words = ["run", left["study"], "--workspace", left["workspace"], "--json", "--jobs", "2", "--device", "cpu"]
    ended = subprocess.run([sys.executable, "-c", again, *words], capture_output=True, text=True, check=True)
    answer, seconds = ended.stdout.splitlines()
    assert json.loads(answer)["computed"] == 0
    assert json.loads(answer)["cached"] == 24
    assert float(seconds.split()[0]) < 5
    assert seconds.split(maxsplit=1)[1] == "[]"


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


def test_the_plan_names_the_extraction_that_heads_share_and_computes_nothing(pipeline, written, tmp_path):
    answer = pipeline("run", written(TINY + HEAD), "--dry-run", "--json").json
    assert (answer["jobs"], answer["cached"], answer["missing"], answer["impossible"]) == (2, 0, 2, 0)
    assert [line["command"] for line in answer["plan"]] == ["extract", "extract", "fit-head", "fit-head"]
    assert all(line["seconds"] > 0 and line["bytes"] > 0 for line in answer["plan"])
    assert not (tmp_path / "workspace").exists()
    pipeline("run", written(TINY + HEAD))
    done = pipeline("run", written(TINY + HEAD + ANOTHER), "--dry-run", "--json").json
    assert [line["state"] for line in done["plan"]] == ["cached", "cached", "missing"]
    assert "3 jobs: 2 cached, 1 to run" in pipeline("run", written(TINY + HEAD + ANOTHER), "--dry-run").out


def test_the_estimate_of_the_disk_is_that_of_the_file(pipeline, written, tmp_path):
    path = written(TINY + "jobs:\n  - {command: extract, backbone: test_resnet}\n")
    planned = pipeline("run", path, "--dry-run", "--json").json
    pipeline("run", path)
    (file,) = (tmp_path / "workspace" / "features").glob("*.h5")
    assert planned["bytes"] == pytest.approx(file.stat().st_size, rel=0.5)


@pytest.fixture
def breaking(monkeypatch):
    """Makes the stage of knn heads fail as by a fault of the machine."""
    real = heads.fit_head

    def fit_head(kind, *given, **options):
        if kind == "knn":
            raise RuntimeError("lost")
        return real(kind, *given, **options)

    monkeypatch.setattr(heads, "fit_head", fit_head)
    return monkeypatch


def test_a_failed_job_is_a_record_and_the_rest_goes_on(pipeline, written, tmp_path, breaking):
    lines = "jobs:\n  - {command: fit-head, backbone: test_resnet, head: [knn, centroid]}\n"
    ended = pipeline("run", written(TINY + lines), "--json")
    assert (ended.status, ended.json["computed"], ended.json["failed"]) == (1, 1, 1)
    found, problems = records.read_all(tmp_path / "workspace")
    assert not problems
    failed = {record["name"]: record["error"] for record in found if record["status"] == "failed"}
    assert failed == {"knn on test_resnet": "lost"}
    assert sorted(ended.json["runs"]) == sorted(record["run"] for record in found)
    again = pipeline("run", written(TINY + lines), "--json")
    assert (again.status, again.json["cached"], again.json["failed"]) == (1, 1, 1)
    assert len(records.read_all(tmp_path / "workspace")[0]) == 2
    breaking.undo()
    assert pipeline("run", written(TINY + lines), "--json").json["computed"] == 1
    assert [one["status"] for one in records.read_all(tmp_path / "workspace")[0]] == ["done", "done"]


def test_a_mistake_that_only_the_job_can_know_is_told_and_leaves_no_record(pipeline, written, tmp_path):
    lines = "jobs:\n  - {command: fit-head, backbone: test_resnet, validation: [99, 10], c-grid: 1e-2}\n"
    ended = pipeline("run", written(TINY + lines + "  - {command: extract, dataset: nowhere}\n"), "--json")
    assert (ended.status, ended.json["computed"], ended.json["failed"]) == (1, 1, 2)
    told = {one["job"]: one["error"] for one in ended.json["failures"]}
    assert "validation must leave every class a row" in next(iter(told.values()))
    assert "unknown data set 'nowhere'" in told["features of resnet50 on nowhere"]
    (record,) = records.read_all(tmp_path / "workspace")[0]
    assert (record["status"], ended.json["runs"]) == ("done", [record["run"]])


MISTAKES = [
    ("{command: fit-head, backbone: test_resnet, head: logistic, sizes: 64}", "of the logistic head"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, option: nonsense=3}", "unknown option 'nonsense'"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, optimizer: muon}", "unknown optimizer 'muon'"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, dropout: 3}", "dropout must be"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, epochs: 0}", "epochs must be"),
    ("{command: fit-head, backbone: test_resnet, c-grid: -1}", "c-grid must be"),
    ("{command: fit-head, backbone: test_resmet}", "unknown backbone 'test_resmet'"),
    ("{command: extract, backbone: test_resnet, layers: 9}", "layers must be ones that test_resnet accepts"),
    ("{command: train, batch-size: 50, network: resnet2O}", "unknown network 'resnet2O'"),
    ("{command: train, batch-size: 50, network: resnet20, depth: 15}", "depth of resnet must be"),
    ("{command: train, batch-size: 50, network: resnet20, norm: none}", "unknown norm 'none' of resnet20"),
    ("{command: train, batch-size: 50, network: resnet20, growth-rate: 4}", "one that resnet20 has"),
    ("{command: train, batch-size: 50, network: resnet20, stem: imagenet}", "stem of resnet20 must be"),
    ("{command: train, batch-size: 50, network: vgg16, image-size: 1}", "image size must be"),
    ("{command: finetune, batch-size: 50, network: resnet20, weights: pretrained}", "timm has none for it"),
    ('{command: finetune, batch-size: 50, network: test_resnet, mode: "partial:99"}', "partial must be at most"),
]


@pytest.mark.parametrize(("job", "sentence"), MISTAKES)
def test_a_mistake_that_needs_no_data_is_refused_in_the_plan_with_its_line(pipeline, written, tmp_path, job, sentence):
    ended = pipeline("run", written(f"{TINY}jobs:\n  - {{command: extract, backbone: test_resnet}}\n  - {job}\n"))
    assert ended.status == 2
    assert ended.err.startswith("error: study.yaml:4:")
    assert sentence in ended.err
    assert not (tmp_path / "workspace").exists()


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
    assert "workspace must be a directory that can be written" in ended.err


def test_a_study_without_jobs_and_a_study_of_a_search_alone_are_refused(pipeline, written):
    for text in ("jobs: []", "search: {space: {}}"):
        ended = pipeline("run", written(text))
        assert ended.status == 2
        assert "study must have jobs" in ended.err


def test_an_extraction_comes_once_and_before_its_heads(tmp_path):
    found = study_file.parse(TINY + HEAD + "  - {command: extract, backbone: test_resnet}\n").jobs
    planned = plan.plan(found, Context(tmp_path))
    assert [job.command for job in planned.first] == ["extract", "extract"]  # one for each seed of the subset
    assert planned.first[0] in found
    assert len(planned.implied()) == 1


def test_an_unknown_dataset_makes_its_jobs_impossible_and_no_others(tmp_path):
    found = study_file.parse("jobs:\n  - {command: extract, dataset: [digits, digist]}\n").jobs
    states = [one.state for one in plan.plan(found, Context(tmp_path)).jobs]
    assert states == ["missing", "impossible"]


def test_jobs_are_small_and_hold_primitives_only():
    (job,) = study_file.parse("jobs: [{command: fit-head}]").jobs
    assert isinstance(job, jobs.Job)
    assert json.loads(json.dumps(job.key()))["command"] == "fit-head"


def test_a_plan_digests_each_data_set_once_and_the_next_plan_again(tmp_path, photo_folder, monkeypatch):
    digested = []
    real = datasets.folder.read
    monkeypatch.setattr(datasets.folder, "read", lambda root, **more: digested.append(root) or real(root, **more))
    found = study_file.parse(
        f"jobs:\n  - {{command: fit-head, dataset: {photo_folder}, image-size: [16, 32, 64]}}\n"
    ).jobs
    for count in (1, 2):
        plan.plan(found, Context(tmp_path))
        assert len(digested) == count
