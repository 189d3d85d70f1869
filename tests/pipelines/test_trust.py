"""A workspace that was altered or that a stranger prepared: seen, named, computed again; never believed, never run."""

import json
import os
import pickle
import re
import shutil
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.studies import study_file
from pipelines.workspace import records, stored
from tests.pipelines.fitting import UNTRAINED

B = (*UNTRAINED, "--image-size", "16")
DIGITS = ("--dataset", "digits", "--subset", "60", "--test-subset", "40")
FIT = ("fit-head", *B, *DIGITS, "--head", "centroid", "--json")
TRAIN = ("train", "--network", "resnet8", "--width", "0.25", "--image-size", "16", *DIGITS, "--epochs", "1")
TRAIN = (*TRAIN, "--batch-size", "20", "--validation", "0.2", "--json")
SPACE = "C: {low: 0.01, high: 1.0, log: true}\n"
SEARCH = ("--head", "logistic", *B, *DIGITS, "--trials", "2", "--name", "mine", "--json")
STUDY = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 60, test-subset: 40}
jobs:
  - {command: fit-head, backbone: test_resnet, head: centroid}
"""
PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK\x03\x04", b"ctorch", b"cposix", b"cos\n")


class Evil:
    """A pickle of it makes the file at `path` when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a workspace in which every kind of command has run once."""
    root = tmp_path_factory.mktemp("made")
    (root / "space.yaml").write_text(SPACE)
    (root / "study.yaml").write_text(STUDY)
    for words in (FIT, ("fit-head", *B, *DIGITS, "--head", "ridge"), TRAIN, ("search", root / "space.yaml", *SEARCH)):
        main([*map(str, words), "--workspace", str(root / "workspace"), "--device", "cpu"])
    return root


@pytest.fixture
def copied(made, tmp_path) -> Path:
    """A copy of it, where the `pipeline` fixture looks; the workspace's path."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "workspace"


def every_command(root: Path) -> list[tuple]:
    """Each command once, on the runs of the workspace in `root`."""
    found, _ = records.read_all(root / "workspace")
    heads, networks = ([one.run for one in found if one.kind == kind] for kind in ("head", "network"))
    image = root / "image.png"
    from PIL import Image

    Image.new("RGB", (16, 16)).save(image)
    features = next((root / "workspace" / "features").glob("*.h5"))
    return [
        ("extract", *B, *DIGITS),
        FIT,
        TRAIN,
        ("search", root / "space.yaml", *SEARCH),
        ("run", root / "study.yaml", "--dry-run"),
        ("run", root / "study.yaml"),
        ("runs",),
        ("compare", heads[0], heads[1]),
        ("predict", "--run", networks[0], image),
        ("predict", "--run", heads[0], image),
        ("features", "info", features),
        ("features", "verify", features),
        ("cache",),
        ("cache", "trim", "--to", "1GB"),
        ("explain", networks[0]),
        ("report", "--output", root / "report.html", "--loss-landscape", networks[0]),
    ]


@pytest.mark.long
def test_no_file_of_a_workspace_is_a_pickle_after_every_command(copied, pipeline):
    for words in every_command(copied.parent):
        ended = pipeline(*words)
        assert ended.status == 0, ended.err
    files = [path for path in copied.rglob("*") if path.is_file()]
    assert len(files) > 20
    for path in files:
        content = path.read_bytes()
        assert not content.startswith(PICKLES), path
        assert not re.search(rb"\x80[\x02-\x05](\x95|c|\}|\]|X)", content[:64]), path
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".joblib", ".npy", ".npz", ".pt", ".pth")]


@pytest.mark.long
def test_prepared_pickles_in_every_place_are_executed_by_no_command(copied, pipeline, tmp_path):
    evil = pickle.dumps(Evil(tmp_path / "executed"))
    words = every_command(tmp_path)
    for path in [path for path in copied.rglob("*") if path.is_file() and path.suffix not in (".h5", ".lock")]:
        place = path.relative_to(copied).parts[0]
        if place == "cache":  # where joblib kept its own, and where ours stand
            (path.parent / path.stem).mkdir()
            for name in ("output.pkl", "metadata.json"):
                (path.parent / path.stem / name).write_bytes(evil)
            (path.parent / "func_code.py").write_bytes(evil)
        if place in ("cache", "extractions", "searches"):
            path.write_bytes(evil)
    run = next(one for one in (copied / "runs").iterdir() if (one / "network.json").exists())
    for phase in ("chosen", "refit"):
        (folder := copied / "checkpoints" / run.name / phase).mkdir(parents=True)
        (folder / "checkpoint.pt").write_bytes(evil)
        (folder / "history.jsonl").write_bytes(evil)
    for one in words:
        ended = pipeline(*one)
        assert "Traceback" not in ended.err
        assert ended.status == 0 or "must be intact" in ended.err, (one, ended.err)
    for path in copied.rglob("*"):
        if path.is_file() and path.suffix not in (".h5", ".lock"):
            path.write_bytes(evil)
    for one in words:
        pipeline(*one)
    assert not (tmp_path / "executed").exists()


def entry(workspace: Path, stage: str) -> Path:
    """The one cached answer of a stage."""
    return sorted((workspace / "cache").rglob(f"{stage}/*.json"))[0]


@pytest.mark.parametrize("content", [b"{}", b"5", b"", b"[]", b"null", b"\x80\x04."])
@pytest.mark.parametrize(("stage", "words"), [("_train", TRAIN), ("_extract", ("extract", *B, *DIGITS, "--json"))])
def test_what_is_no_whole_answer_is_computed_again_and_then_kept(copied, pipeline, stage, words, content):
    path = entry(copied, stage)
    before = path.read_bytes()
    path.write_bytes(content)
    assert pipeline(*words).status == 0
    assert stored.checked(path.read_bytes())["arguments"] == stored.checked(before)["arguments"]
    assert pipeline(*words).json["cached"] is True


@pytest.mark.parametrize("answer", [None, 5, "high", "../../etc", "0" * 12, {"run": "0" * 12}])
def test_an_answer_that_names_no_run_counts_as_absent_though_its_checksum_is_right(copied, pipeline, answer):
    path = entry(copied, "_train")
    values = stored.checked(path.read_bytes())
    stored.write(path, {**values, "answer": answer})
    ended = pipeline(*TRAIN)
    assert ended.status == 0, ended.err
    assert ended.json["cached"] is False


def test_the_answer_of_another_call_is_not_taken_for_this_one(copied, pipeline):
    first, second = sorted((copied / "cache").rglob("_fit_head/*.json"))[:2]
    expected = pipeline(*FIT).json["run"]
    for path, other in ((first, second.read_bytes()), (second, first.read_bytes())):
        path.write_bytes(other)
    assert pipeline(*FIT).json["run"] == expected


def test_one_changed_digit_of_a_record_is_seen_and_hides_no_other_run(copied, pipeline):
    whole = pipeline("runs", "--json").json
    record = copied / "runs" / whole["runs"][0]["run"] / "record.json"
    text = record.read_text()
    accuracy = json.loads(text)["test"]["accuracy"]
    record.write_text(text.replace(f'"accuracy": {accuracy}', f'"accuracy": {accuracy / 2}', 1))
    ended = pipeline("runs", "--json")
    assert (ended.status, ended.json["count"]) == (0, whole["count"] - 1)
    assert f"{record}': it is not as it was written" in ended.err
    assert "Run it again, or remove its folder" in ended.json["problems"][0]
    page = pipeline("report", "--output", copied.parent / "r.html", "--json").json
    assert page["runs"] == whole["count"] - 1
    assert str(record) in " ".join(page["problems"])


@pytest.mark.parametrize("change", [{"validation": -1}, {"test": {"interval": 5}}, {"seconds": {"fit": "x"}}])
def test_a_record_with_a_value_of_another_type_is_named_and_left_out(copied, pipeline, change):
    found = pipeline("runs", "--json").json["runs"]
    path = copied / "runs" / found[0]["run"] / "record.json"
    record = stored.checked(path.read_bytes())
    parts = {key: {**record[key], **one} if isinstance(one, dict) else one for key, one in change.items()}
    stored.write(path, {**record, **parts})
    ended = pipeline("runs", "--json")
    assert (ended.status, ended.json["count"]) == (0, len(found) - 1)
    assert found[0]["run"] in ended.err


def test_one_changed_digit_of_a_search_is_seen(copied, pipeline):
    result = copied / "searches" / "mine" / "result.json"
    values = json.loads(result.read_text())["trials"][0]["value"]
    result.write_text(result.read_text().replace(str(values), str(values / 2), 1))
    page = pipeline("report", "--output", copied.parent / "r.html", "--json").json
    assert str(result) in " ".join(page["problems"])


def test_a_worker_s_rank_alone_never_stores_a_half_answer(copied, pipeline, monkeypatch):
    other = (*TRAIN, "--seed", "5")
    monkeypatch.setenv("RANK", "1")
    pipeline(*other)
    monkeypatch.delenv("RANK")
    ended = pipeline(*other)
    assert ended.status == 0, ended.err
    assert ended.json["run"]


def test_the_newest_features_are_those_made_last_wherever_a_workspace_was_copied(copied, pipeline):
    pipeline("extract", *B, *DIGITS, "--views", "flip")
    newest = Path(pipeline("extract", *B, *DIGITS, "--pool", "max", "--json").json["path"])
    for path in (copied / "features").glob("*.h5"):
        os.utime(path, (1, 1) if path == newest else None)
    assert f"newest features, {newest.name}" in pipeline("fit-head", "--head", "centroid").err
    (note,) = [one for one in (copied / "extractions").iterdir() if newest.name in one.read_text()]
    note.write_text(note.read_text().replace("20", "21", 1))
    ended = pipeline("fit-head", "--head", "centroid")
    assert str(note) in ended.err


def test_an_empty_folder_of_a_run_blocks_no_study(copied, pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    for job in study_file.read(study).jobs:
        (copied / "runs" / job.digest()).mkdir(exist_ok=True)
    ended = pipeline("run", study, "--json")
    assert ended.status == 0, ended.err
    assert pipeline("run", study, "--json").json["failed"] == 0
