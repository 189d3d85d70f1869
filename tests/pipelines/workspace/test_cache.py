"""What is kept: asked without computing, shown, and made smaller without breaking a record."""

import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import Any, TypedDict

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError, TransferBenchError
from extract.features.store import FeatureFile
from pipelines.cli import main
from pipelines.training.processes import exclusive
from pipelines.workspace import cache, inventory, records

STUDY = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, views: [plain, flip], c-grid: 1e-2}
"""


class _Whole(TypedDict):
    key: str


CALLS: list[str] = []
FEATURES = "digits-net-0123456789ab.h5"  # what a feature file is called


def _stage(key: str, context: object) -> dict[str, str]:
    return CALLS.append(key) or {"key": key}


def asked(workspace: Path, key: str, *, whole: bool = True) -> tuple[dict, bool]:
    return cache.ask(_stage, key, context=object(), workspace=workspace, read=dict, is_intact=lambda _: whole)


def found(workspace: Path, key: str) -> dict | None:
    return cache.find(_stage, key, workspace=workspace, read=dict)


@pytest.fixture
def workspace(tmp_path) -> Path:
    return tmp_path / "workspace"


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Path:
    """A workspace with two feature files and two heads on them, computed once for all tests."""
    root = tmp_path_factory.mktemp("computed")
    (root / "study.yaml").write_text(STUDY)
    main(["run", str(root / "study.yaml"), "--workspace", str(root / "workspace"), "--device", "cpu"])
    return root


@pytest.fixture
def studied(computed, tmp_path, workspace) -> Path:
    """A copy of that workspace, with its study beside it."""
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    return workspace


def aged(path: Path, *, hours: float) -> Path:
    """`path`, made where it is not, last used `hours` ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
    return path


def test_a_record_is_computed_once_and_again_when_its_artifact_is_gone(workspace):
    CALLS.clear()
    assert asked(workspace, "a") == ({"key": "a"}, False)
    assert asked(workspace, "a") == ({"key": "a"}, True)
    assert asked(workspace, "a", whole=False) == ({"key": "a"}, False)
    assert CALLS == ["a", "a"]


def test_find_answers_what_is_there_and_computes_and_makes_nothing(workspace):
    CALLS.clear()
    assert found(workspace, "a") is None
    assert not workspace.exists()
    asked(workspace, "a")
    before = sorted(workspace.rglob("*"))
    assert found(workspace, "a") == {"key": "a"}
    assert found(workspace, "b") is None
    assert sorted(workspace.rglob("*")) == before
    assert CALLS == ["a"]


def test_looking_raises_for_what_is_missing_instead_of_computing_it(workspace):
    CALLS.clear()
    asked(workspace, "a")
    with cache.looking():
        assert asked(workspace, "a") == ({"key": "a"}, True)
        with pytest.raises(cache.CacheMissError):
            asked(workspace, "b")
    assert CALLS == ["a"]
    assert asked(workspace, "b")[1] is False


@pytest.mark.parametrize("half", [None, {}, {"key": 5}, 5])
def test_an_answer_of_another_shape_than_declared_is_never_kept(workspace, half):
    def stage(key: str, context: object) -> _Whole:
        return half

    with pytest.raises(TransferBenchError, match="must have its declared shape"):
        cache.ask(stage, "a", context=None, workspace=workspace, read=dict)
    assert not list(workspace.rglob("*.json"))


def test_a_cache_entry_that_is_cut_short_counts_as_none(workspace):
    asked(workspace, "a")
    (entry,) = workspace.rglob("_stage/*.json")
    entry.write_bytes(entry.read_bytes()[:-5])
    assert found(workspace, "a") is None
    assert asked(workspace, "a") == ({"key": "a"}, False)
    assert found(workspace, "a") == {"key": "a"}


def test_cache_shows_what_is_kept_by_kind(pipeline, studied):
    shown = pipeline("cache", "--json").json
    kinds = shown["kinds"]
    sizes = [path.stat().st_size for path in (studied / "features").glob("*.h5")]
    assert (kinds["features"]["files"], kinds["features"]["bytes"]) == (2, sum(sizes))
    assert kinds["runs"]["files"] == 9  # two heads: weights, what they are, test logits, record; one average
    assert shown["bytes"] == sum(path.stat().st_size for path in studied.rglob("*") if path.is_file())
    assert 0 <= kinds["features"]["newest_seconds"] <= kinds["features"]["oldest_seconds"] < 600
    text = pipeline("cache").out
    assert "features" in text
    assert "last used" in text


def test_an_empty_workspace_is_said_to_be_empty(pipeline, workspace):
    assert pipeline("cache").out == f"nothing is kept in {workspace}\n"
    assert pipeline("cache", "trim", "--to", "0", "--json").json["removed"] == []
    assert not workspace.exists()


def test_trimming_takes_the_feature_file_unused_for_longest_and_no_more_than_needed(pipeline, studied):
    old, new = sorted((studied / "features").glob("*.h5"))
    aged(old, hours=5)
    total = pipeline("cache", "--json").json["bytes"]
    answer = pipeline("cache", "trim", "--to", total - 1, "--json").json
    assert [one["path"] for one in answer["removed"] if one["bytes"]] == [f"features/{old.name}"]
    assert not old.exists()
    assert new.exists()
    assert answer["bytes"] == pipeline("cache", "--json").json["bytes"] <= total - 1


def test_options_before_trim_apply_to_it_and_those_after_it_win(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted, other = (aged(tmp_path / name / "features" / f"{FEATURES}.lock", hours=3) for name in ("X", "workspace"))
    answer = pipeline("cache", "--workspace", "X", "--json", "trim", "--to", "1GiB").json
    assert [one["path"] for one in answer["removed"]] == [f"features/{FEATURES}.lock"]
    assert not wanted.exists()
    assert other.exists()
    pipeline("cache", "--workspace", "X", "trim", "--to", "1GiB", "--workspace", "workspace")
    assert not other.exists()


def test_a_dry_run_removes_nothing(pipeline, studied):
    before = sorted(path for path in studied.rglob("*") if path.is_file())
    answer = pipeline("cache", "trim", "--to", "0", "--dry-run", "--json").json
    assert answer["freed_bytes"] > 0
    assert sorted(path for path in studied.rglob("*") if path.is_file()) == before
    done = pipeline("cache", "trim", "--to", "0", "--json").json
    assert done["removed"] == [
        one | {"age_seconds": pytest.approx(one["age_seconds"], abs=60)} for one in answer["removed"]
    ]


def test_trimming_breaks_no_record_and_a_study_is_still_cached(pipeline, studied, tmp_path):
    before, _ = records.read_all(studied)
    pipeline("cache", "trim", "--to", "0")
    assert not list((studied / "features").glob("*.h5"))
    after, problems = records.read_all(studied)
    assert (after, problems) == (before, [])
    assert all(records.intact(studied, record.run) for record in after)
    assert all(len(records.logits(studied, record.run)[0]) == 50 for record in after)
    answer = pipeline("run", tmp_path / "study.yaml", "--json").json
    assert (answer["computed"], answer["cached"]) == (0, 2)


def test_a_trimmed_feature_file_comes_back_when_a_new_head_needs_it(pipeline, studied, tmp_path):
    pipeline("cache", "trim", "--to", "0")
    (tmp_path / "study.yaml").write_text(STUDY + "  - {command: fit-head, backbone: test_resnet, c-grid: 1e-1}\n")
    answer = pipeline("run", tmp_path / "study.yaml", "--json").json
    assert (answer["computed"], answer["cached"], answer["failed"]) == (1, 2, 0)
    assert len(list((studied / "features").glob("*.h5"))) == 1


def test_what_a_process_works_on_stays(pipeline, studied):
    held, free = sorted((studied / "features").glob("*.h5"))
    with FileLock(f"{held}.lock"):
        answer = pipeline("cache", "trim", "--to", "0", "--json").json
    assert held.exists()
    assert not free.exists()
    assert sorted(answer["in_use"]) == [f"features/{held.name}", f"features/{held.name}.lock"]


def test_features_that_are_read_stay_until_they_are_read_no_more(pipeline, studied):
    read, free = sorted((studied / "features").glob("*.h5"))
    file = FeatureFile(read)
    assert f"{read.name}  stays: it is in use" in pipeline("cache", "trim", "--to", "0").out
    assert not free.exists()
    assert len(file.read("test").labels) == 50
    del file
    assert pipeline("cache", "trim", "--to", "0", "--json").json["in_use"] == []
    assert not read.exists()


def test_the_features_of_a_head_stay_while_it_is_fitted(pipeline, studied, monkeypatch):
    import heads

    fit = heads.fit_head

    def trimming(*given, **more):
        inventory.remove(inventory.inventory(studied))
        return fit(*given, **more)

    monkeypatch.setattr(heads, "fit_head", trimming)
    file, other = sorted((studied / "features").glob("*.h5"))
    assert pipeline("fit-head", "--features", file, "--c-grid", "0.5").status == 0
    assert (file.exists(), other.exists()) == (True, False)


def test_the_checkpoint_of_a_running_training_or_trial_stays_however_old_it_is(workspace):
    training = workspace / "checkpoints" / "0123456789ab"
    search = workspace / "searches" / "nets"
    kept = [aged(training / "chosen" / name, hours=9) for name in ("checkpoint.bin", "checkpoint.bin.partial")]
    kept.append(aged(search / "trials" / "3" / "checkpoint.bin", hours=9))
    (search / "leases").mkdir()
    with exclusive(training, notice=pytest.fail), FileLock(search / "leases" / "3.lock"):
        assert inventory.remove(inventory.inventory(workspace)) == []
        assert all(path.exists() for path in kept)
    inventory.remove(inventory.inventory(workspace))
    assert not any(path.exists() for path in kept)


def test_left_overs_of_killed_processes_go_and_fresh_ones_stay(pipeline, workspace):
    run = workspace / "runs" / "0123456789ab"
    stale = aged(run / "record.json.77.partial", hours=3)
    fresh = aged(run / "head.safetensors.78.partial", hours=0)
    lock = aged(workspace / "runs" / "0123456789ab.lock", hours=3)
    pipeline("cache", "trim", "--to", "1GiB")
    assert not stale.exists()
    assert not lock.exists()
    assert fresh.exists()


def test_things_go_in_turn(workspace):
    (workspace / "features").mkdir(parents=True)
    done = record_of(workspace, "aaaaaaaaaaaa")
    files = {
        "old features": aged(workspace / "features" / "digits-old-0123456789ab.h5", hours=30),
        "new features": aged(workspace / "features" / "digits-new-0123456789ab.h5", hours=20),
        "half-made": aged(workspace / "features" / "digits-half-0123456789ab.h5.partial", hours=10),
        "finished": aged(workspace / "checkpoints" / done / "checkpoint.bin", hours=10),
        "unfinished": aged(workspace / "checkpoints" / "bbbbbbbbbbbb" / "checkpoint.bin", hours=50),
        "lock": aged(workspace / "features" / "digits-old-0123456789ab.h5.lock", hours=10),
    }
    for path in files.values():
        path.write_bytes(b"x" * 100)
        aged(path, hours=10 + 10 * (path == files["new features"]) + 20 * (path == files["old features"]))
    going = inventory.removable(workspace, inventory.inventory(workspace), to_bytes=0)
    names = {path: name for name, path in files.items()}
    order = ["lock", "finished", "half-made", "old features", "new features", "unfinished"]
    assert [names[one.path] for one in going] == order


def record_of(workspace: Path, run: str) -> str:
    """A record of a network that is done, with nothing in it."""
    scores = {"rows": 1, "accuracy": 1.0, "interval": [0.0, 1.0], "top5": None, "log_loss": 0.0}
    scores |= {"calibration_error": 0.0, "calibration_limit": 0.0, "per_class": [1.0], "confusion": [[1]]}
    values: dict[str, Any] = {"run": run, "kind": "network", "name": "n", "key": {}, "mode": "scratch"}
    values |= {"architecture": "n", "weights": "none", "seed": 0, "class_names": ["a"], "dataset": {"name": "d"}}
    values |= {"test": scores, **{key: {} for key in ("chosen", "curves", "seconds", "files")}}
    values |= dict.fromkeys(("parameters", "flops", "bytes", "image_size"), 1)
    values |= dict.fromkeys(("validation", "temperature"))
    values["choice"] = {"training_rows": 1, "validation_rows": 0}
    values["training"] = {"rows": 1, "accuracy": 1.0, "kept_accuracy": 1.0}
    records.write(workspace, values)
    return run


def test_records_networks_and_searches_never_go(workspace):
    for name in ("runs/aaaaaaaaaaaa/network.safetensors", "searches/s/journal.log", "cache/joblib/x", "data/cifar.bin"):
        aged(workspace / name, hours=1000).write_bytes(b"x" * 1000)
    assert inventory.removable(workspace, inventory.inventory(workspace), to_bytes=0) == []


def test_data_sets_do_not_count(workspace):
    aged(workspace / "data" / "cifar.bin", hours=1).write_bytes(b"x" * 10_000)
    aged(workspace / "features" / "a.h5", hours=9).write_bytes(b"x" * 10)
    assert inventory.removable(workspace, inventory.inventory(workspace), to_bytes=10) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("512", 512),
        ("2GiB", 2 * 2**30),
        ("2 gib", 2 * 2**30),
        ("1.5MB", 1_500_000),
        ("3k", 3000),
        ("1e9", 10**9),
    ],
)
def test_sizes_are_read(text, expected):
    assert inventory.parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "2 GiBs", "1ib", "GiB", "0x10", "nan", "1e400", "9" * 400])
def test_what_is_no_size_is_refused(pipeline, text):
    with pytest.raises(InvalidInputError, match="size must be a number of bytes like 2GiB"):
        inventory.parse_size(text)


def test_a_bad_size_is_the_user_s_mistake(pipeline):
    ended = pipeline("cache", "trim", "--to", "plenty")
    assert (ended.status, ended.err) == (
        2,
        "error: size must be a number of bytes like 2GiB, 500MB or 0; got 'plenty'.\n",
    )


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(2, 500)), max_size=12), st.integers(0, 5000))
def test_trimming_reaches_its_goal_with_the_longest_unused_and_removes_none_in_vain(files, limit):
    kept = [
        inventory.Kept(Path(f"w/features/{index}.h5"), inventory.FEATURES, size, float(age))
        for index, (size, age) in enumerate(files)
    ]
    going = inventory.removable(Path("w"), kept, to_bytes=limit)
    total, freed = sum(one.byte_count for one in kept), sum(one.byte_count for one in going)
    assert total - freed <= limit
    assert not going or total - (freed - going[-1].byte_count) > limit
    assert all(one.age_seconds >= other.age_seconds for one in going for other in kept if other not in going)


def test_an_inventory_survives_files_that_vanish(workspace, monkeypatch):
    aged(workspace / "features" / "a.h5", hours=1)
    (workspace / "features" / "gone.h5").symlink_to(workspace / "nowhere")
    assert [one.path.name for one in inventory.inventory(workspace)] == ["a.h5"]
    assert dataclasses.fields(inventory.Kept)
