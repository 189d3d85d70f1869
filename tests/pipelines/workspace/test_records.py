"""Records come back as written; broken, foreign and hostile ones are refused in one sentence."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import file_sha256
from pipelines.workspace import records, stored
from pipelines.workspace.schema import SCHEMA

RUN = "0123456789ab"
SCORES = {
    "rows": 10,
    "accuracy": 0.5,
    "interval": [0.2, 0.8],
    "top5": None,
    "log_loss": 0.7,
    "calibration_error": 0.1,
    "calibration_limit": 0.2,
    "per_class": [0.6, 0.4],
    "confusion": [[3, 2], [3, 2]],
}

ROWS = {"training_rows": 90, "validation_rows": 10}


def record(run: str = RUN, **changes) -> dict:
    """A whole record, with `changes`."""
    whole = {
        "run": run,
        "kind": "head",
        "mode": "frozen",
        "architecture": "test_resnet",
        "family": None,
        "weights": "untrained",
        "head": "logistic",
        "name": "logistic on test_resnet",
        "dataset": {"name": "digits", "digest": "d", "subset": None, "test_subset": None, "seed": None},
        "image_size": 32,
        "seed": 0,
        "key": {"seed": 0},
        "class_names": ["0", "1"],
        "chosen": {"C": 0.1},
        "choice": ROWS,
        "curves": {},
        "training": {"rows": 9, "accuracy": 0.9, "kept_accuracy": 0.9},
        "validation": None,
        "test": SCORES,
        "temperature": None,
        "seconds": {"extraction": 0.0, "search": 1.0, "fit": 1.0, "evaluation": 0.1},
        "parameters": 10,
        "flops": 20,
        "bytes": 40,
        "files": {},
    }
    return {**whole, **changes}


def test_a_record_is_one_line_and_comes_back_as_written(tmp_path):
    given_record = record(choice={**ROWS, "table": [{"log_loss": float("inf"), "size": (1, 2), "note": "größer"}]})
    path = records.write(tmp_path, given_record)
    assert path == tmp_path / "runs" / RUN / "record.json"
    assert path.read_text(encoding="utf-8").count("\n") == 1
    returned = records.read(tmp_path, RUN)
    assert returned.choice.table == [{"log_loss": None, "size": [1, 2], "note": "größer"}]
    assert (returned.schema, returned.status, returned.error) == (SCHEMA, "done", None)
    assert returned.created.endswith("+00:00")
    assert records.made({**record(choice=returned.choice), "created": returned.created}) == returned
    assert [one.name for one in path.parent.iterdir()] == ["record.json"]


def test_a_prefix_names_a_run_unless_it_fits_several(tmp_path):
    for run in ("aaaa00000000", "aaab00000000", "bbbb00000000"):
        records.write(tmp_path, record(run))
    assert records.read(tmp_path, "b").run == "bbbb00000000"
    assert records.read(tmp_path, "aaab").run == "aaab00000000"
    with pytest.raises(InvalidInputError, match="aaaa00000000, aaab00000000"):
        records.read(tmp_path, "aaa")
    with pytest.raises(InvalidInputError, match="Nearest: bbbb00000000"):
        records.read(tmp_path, "bbbb00000001")
    with pytest.raises(InvalidInputError):
        records.read(tmp_path, "")


HOSTILE = ["../../etc", "..", "/etc/passwd", "*", "a" * 12 + "/..", "ZZZZZZZZZZZZ", "0123456789a\n", "\0", "~"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_becomes_a_path(tmp_path, name):
    records.write(tmp_path, record())
    (tmp_path / "record.json").write_text(json.dumps(record()))
    with pytest.raises(InvalidInputError):
        records.read(tmp_path, name)
    with pytest.raises(InvalidInputError):
        records.folder(tmp_path, name)
    with pytest.raises(InvalidInputError):
        records.write(tmp_path, record(name))
    assert records.intact(tmp_path, name) is None


BROKEN = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff\xfe",
    b"[" * 100_000,
    json.dumps({**record(), "schema": SCHEMA, "status": "done", "created": "x", "error": None}).encode(),
    *(
        stored.line({**record(), "schema": SCHEMA, "status": "done", "created": "x", "error": None, **other})
        for other in (
            {"schema": 1},
            {"status": "odd"},
            {"test": 5},
            {"run": "f" * 12},
            {"validation": -1},
            {"test": {**SCORES, "interval": 5}},
            {"test": {**SCORES, "accuracy": 1.01}},
            {"seconds": {"fit": "x"}},
            {"bytes": 2**70},
            {"files": {"../record.json": "0" * 64}},
            {"class_names": [1]},
        )
    ),
]


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_record_is_named_and_hides_no_other(tmp_path, content):
    whole = "ffff00000000"
    records.write(tmp_path, record(whole))
    records.write(tmp_path, record())
    (tmp_path / "runs" / RUN / "record.json").write_bytes(content)
    with pytest.raises(CorruptFileError, match=RUN):
        records.read(tmp_path, RUN)
    found, problems = records.read_all(tmp_path)
    assert [one.run for one in found] == [whole]
    assert len(problems) == 1
    assert RUN in problems[0]
    assert records.intact(tmp_path, RUN) is None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10_000), flip=st.integers(0, 255))
def test_an_altered_record_never_ends_in_another_error(tmp_path, cut, flip):
    path = records.write(tmp_path, record())
    content = bytearray(path.read_bytes())
    content[cut % len(content)] ^= flip
    path.write_bytes(bytes(content[: cut % (2 * len(content)) + 1]))
    found, problems = records.read_all(tmp_path)
    assert len(found) + len(problems) == 1
    if problems:
        assert RUN in problems[0]
        with pytest.raises(CorruptFileError, match=RUN):
            records.read(tmp_path, RUN)


def test_records_are_listed_from_the_oldest_and_a_workspace_may_be_empty(tmp_path):
    assert records.read_all(tmp_path) == ([], [])
    for run, created in (("a" * 12, "2026-02"), ("b" * 12, "2026-01")):
        records.write(tmp_path, record(run, created=created))
    (tmp_path / "runs" / "not-a-run").mkdir()
    (tmp_path / "runs" / "not-a-run" / "record.json").write_text("{}")
    found, problems = records.read_all(tmp_path)
    assert [one.created for one in found] == ["2026-01", "2026-02"]
    assert problems == []


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"search": 1.0, "fit": 2.0, "evaluation": 4.0, "total": 3.0}, 7.0),
        ({"extraction": None, "search": 1.0, "fit": 2.0, "evaluation": 4.0}, 7.0),
    ],
)
def test_the_time_of_a_run_is_that_of_its_phases_each_counted_once(seconds, expected):
    assert records.with_total(seconds)["total"] == expected


def test_a_failed_run_says_why_and_never_counts_as_whole(tmp_path):
    records.write(tmp_path, record())
    assert records.intact(tmp_path, RUN) == records.read(tmp_path, RUN)
    records.failed(
        tmp_path,
        run=RUN,
        kind="network",
        name="resnet20",
        key={"seed": 1},
        error="no memory",
        facts={"mode": "scratch"},
    )
    returned = records.read(tmp_path, RUN)
    assert (returned.status, returned.error, returned.name) == ("failed", "no memory", "resnet20")
    assert records.intact(tmp_path, RUN) is None
    with pytest.raises(InvalidInputError, match="no memory"):
        records.logits(tmp_path, RUN)


def test_logits_come_back_exactly_and_only_if_they_are_those_of_the_record(tmp_path):
    logits, labels = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32), np.arange(5) % 2
    place = records.folder(tmp_path, RUN)
    place.mkdir(parents=True)
    path = place / records.LOGITS_NAME
    ids = ("a.png", "b/ü.png", "c\udcff.png", "d\n.png", "")
    records.keep_logits(path, logits, labels=labels, ids=ids)
    records.write(tmp_path, record(files={path.name: file_sha256(path)}))
    returned = records.logits(tmp_path, RUN[:3])
    assert np.array_equal(returned[0], logits)
    assert np.array_equal(returned[1], labels)
    assert records.test_ids(tmp_path, RUN) == ids
    assert records.intact(tmp_path, RUN) == records.read(tmp_path, RUN)
    whole = path.read_bytes()
    for harm in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"", None):
        path.unlink(missing_ok=True)
        if harm is not None:
            path.write_bytes(harm)
        with pytest.raises(CorruptFileError, match=r"test\.safetensors"):
            records.logits(tmp_path, RUN)
        assert records.intact(tmp_path, RUN) is None


def test_a_record_that_lacks_what_every_record_has_is_not_written(tmp_path):
    without = {key: value for key, value in record().items() if key != "flops"}
    with pytest.raises(InvalidInputError, match="flops"):
        records.write(tmp_path, without)
    assert not Path(tmp_path / "runs").exists()
