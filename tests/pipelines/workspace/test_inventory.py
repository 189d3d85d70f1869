"""What `pipeline cache trim` may take, and what is somebody else's."""

import os
import re
import time
from pathlib import Path

import pytest

from pipelines.tasks.features import file_name
from pipelines.workspace import inventory
from pipelines.workspace.record import FEATURE_NAME

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
    f"features/digits-net-{RUN}.h5.lock": inventory.LEFT,
    "features/.writable": inventory.LEFT,
    f"runs/{RUN}.lock": inventory.LEFT,
    f"runs/{RUN}/record.json.0f0f.partial": inventory.LEFT,
    f"checkpoints/{RUN}/chosen/checkpoint.bin": inventory.CHECKPOINTS,
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


def test_every_feature_file_is_named_so_that_it_can_be_told():
    for dataset in ("cifar10", "a b/c-d", "Blüten ²", "x" * 200, "图" * 80, "bad\udcff", ""):
        name = file_name(dataset, "vit_base.augreg-in21k", digest="0123456789abcdef")
        assert re.fullmatch(FEATURE_NAME, name)
        assert len(f"{name}.partial.lock".encode()) < 255
