"""What `pipeline cache trim` may take, and what is somebody else's."""

import dataclasses
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from extract.features.store import FeatureFile
from pipelines.tasks.features import file_name
from pipelines.training.processes import exclusive
from pipelines.workspace import inventory, records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import FEATURE_NAME
from tests.pipelines.workspace.aging import STUDY, aged

KEPT = ("data", "runs", "searches", "cache")  # what lies there has the folder's kind, and none of it goes
RUN = "0123456789ab"
FOREIGN = [
    "poetry.lock",
    "web/download.partial",
    "data/my.lock",
    "data/cifar.tar.gz.partial",
    "features/notes.txt",
    "features/mine.h5",
    "features/deeper/digits-net-0123456789ab.h5",
    "features/npm.lock",
    "models/checkpoint.bin",
    "checkpoints/mine/checkpoint.bin",
    "checkpoints/mine/yarn.lock",
    "checkpoint.bin",
    "runs/mine/uv.lock",
    "searches/mine/Cargo.lock",
    "searches/mine/big.partial",
    "cache/flake.lock",
    ".probe-1",
    ".writable",
]
OWN = {
    f"features/digits-net-{RUN}.h5": inventory.FEATURES,
    f"features/digits-net-{RUN}.h5.partial": inventory.LEFT,
    f"features/digits-net-{RUN}.h5.shards/2-of-4.h5": inventory.LEFT,
    f"features/digits-net-{RUN}.h5.shards/3-of-4.h5.partial": inventory.LEFT,
    f"features/digits-net-{RUN}.h5.shards/3-of-4.json": inventory.LEFT,
    f"features/digits-net-{RUN}.h5.lock": inventory.LEFT,
    "features/.writable": inventory.LEFT,
    f"runs/{RUN}.lock": inventory.LEFT,
    f"runs/{RUN}/record.json.0f0f.partial": inventory.LEFT,
    f"runs/{RUN}/network.safetensors": inventory.LEFT,
    f"checkpoints/{RUN}/chosen/checkpoint.bin": inventory.CHECKPOINTS,
    f"checkpoints/{RUN}/chosen/history.jsonl": inventory.CHECKPOINTS,
    f"checkpoints/{RUN}/final/checkpoint.bin.partial": inventory.LEFT,
    "searches/mine/trials/12/checkpoint.bin": inventory.CHECKPOINTS,
    "searches/mine/trials/12/history.jsonl.partial": inventory.LEFT,
    "searches/mine/trials.lock": inventory.LEFT,
    "searches/mine/journal.log.lock": inventory.LEFT,
    "searches/mine/leases/3.lock": inventory.LEFT,
    "searches/mine/result.json.0f0f.partial": inventory.LEFT,
    "cache/.code.lock": inventory.LEFT,
    "cache/.probe-123": inventory.LEFT,
    "extractions/0123456789abcdef.json.0f0f.partial": inventory.LEFT,
}


def filled(workspace: Path, names: list[str]) -> None:
    """Writes files of these names into a workspace, last used a hundred days ago."""
    for name in names:
        path = workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        then = time.time() - 100 * 86_400
        os.utime(path, (then, then))


def test_trimming_takes_only_what_the_pipeline_wrote_where_it_writes_it(pipeline, tmp_path):
    workspace = tmp_path / "project"
    filled(workspace, [*FOREIGN, *OWN])
    ended = pipeline("cache", "trim", "--to", "0", "--workspace", workspace, "--json")
    assert ended.status == 0, ended.err
    assert sorted(one["path"] for one in ended.json["removed"]) == sorted(OWN)
    assert [name for name in FOREIGN if not (workspace / name).exists()] == []
    kinds = pipeline("cache", "--workspace", workspace, "--json").json["kinds"]
    assert kinds["others"]["files"] == len([name for name in FOREIGN if name.split("/")[0] not in KEPT])


@pytest.mark.parametrize(("name", "kind"), OWN.items())
def test_what_the_pipeline_wrote_has_its_kind(tmp_path, name, kind):
    filled(tmp_path, [name])
    assert [one.kind for one in inventory.inventory(tmp_path)] == [kind]


def test_the_record_of_an_extraction_is_the_pipeline_s_and_stays(tmp_path):
    filled(tmp_path, ["extractions/0123456789abcdef.json"])
    (found,) = inventory.inventory(tmp_path)
    assert found.kind == inventory.CACHE


def test_every_feature_file_is_named_so_that_it_can_be_told():
    for dataset in ("cifar10", "a b/c-d", "Blüten ²", "x" * 200, "图" * 80, "bad\udcff", ""):
        name = file_name(dataset, "vit_base.augreg-in21k", digest="0123456789abcdef")
        assert re.fullmatch(FEATURE_NAME, name)
        assert len(f"{name}.partial.lock".encode()) < 255


def test_trimming_takes_the_feature_file_unused_for_longest_and_no_more_than_needed(pipeline, studied):
    old, new = sorted((studied / "features").glob("*.h5"))
    aged(old, hours=5)
    total = pipeline("cache", "--json").json["bytes"]
    answer = pipeline("cache", "trim", "--to", total - 1, "--json").json
    assert [one["path"] for one in answer["removed"] if one["bytes"]] == [f"features/{old.name}"]
    assert not old.exists()
    assert new.exists()
    assert answer["bytes"] == pipeline("cache", "--json").json["bytes"] <= total - 1


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
    assert f"features/{read.name}  stays: a running process uses it" in pipeline("cache", "trim", "--to", "0").out
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
    with exclusive(training, Context(workspace, notice=pytest.fail)), FileLock(search / "leases" / "3.lock"):
        assert all(inventory.remove(inventory.inventory(workspace)).values())
        assert all(path.exists() for path in kept)
    inventory.remove(inventory.inventory(workspace))
    assert not any(path.exists() for path in kept)


def test_the_shards_of_a_running_extraction_stay(workspace):
    shards = workspace / "features" / "digits-half-0123456789ab.h5.shards"
    kept = [aged(shards / name, hours=9) for name in ("1-of-4.h5", "1-of-4.json", "2-of-4.h5.partial")]
    with FileLock(shards.with_suffix(".lock")):
        assert all(inventory.remove(inventory.inventory(workspace)).values())
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


def test_files_of_a_run_without_a_record_go_unless_a_process_is_about_to_write_it(workspace):
    run = workspace / "runs" / "0123456789ab"
    for name in ("network.safetensors", "network.json", "history.jsonl"):
        aged(run / name, hours=3)
    with FileLock(f"{run}.lock"):
        assert all(inventory.remove(inventory.inventory(workspace)).values())
    before = inventory.inventory(workspace)
    (run / records.RECORD_NAME).touch()
    inventory.remove([one for one in before if one.path.suffix != ".lock"])
    assert len(list(run.iterdir())) == 4
    (run / records.RECORD_NAME).unlink()
    inventory.remove(before)
    assert not run.exists()


def test_things_go_in_turn(workspace):
    (workspace / "features").mkdir(parents=True)
    done = record_of(workspace, "aaaaaaaaaaaa")
    files = {
        "old features": aged(workspace / "features" / "digits-old-0123456789ab.h5", hours=30),
        "new features": aged(workspace / "features" / "digits-new-0123456789ab.h5", hours=20),
        "shard": aged(workspace / "features" / "digits-half-0123456789ab.h5.shards" / "1-of-4.h5", hours=11),
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
    order = ["lock", "finished", "shard", "half-made", "old features", "new features", "unfinished"]
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
    record_of(workspace, "aaaaaaaaaaaa")
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


@pytest.mark.parametrize(
    "text", ["", "much", "-1", "2 GiBs", "1ib", "GiB", "0x10", "nan", "1e400", "1e308T", "9" * 400]
)
def test_what_is_no_size_is_refused(pipeline, text):
    with pytest.raises(InvalidInputError, match="size must be a number of bytes like 2GiB"):
        inventory.parse_size(text)


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
