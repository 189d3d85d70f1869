"""Where open files cannot be removed or replaced, as on Windows: nothing that is done has one open itself."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from extract.features.store import FeatureFile
from extract.runtime import locks
from extract.runtime.disk import SHARING_VIOLATION
from pipelines.tasks import shards
from pipelines.workspace import inventory
from tests.pipelines.fitting import TINY

SMALL = (*TINY, "--subset", 50, "--test-subset", 20, "--json")
fcntl = pytest.importorskip("fcntl", reason="a system on which the other tests show this")


def is_open(path: Path) -> bool:
    places = (os.path.realpath(f"/proc/self/fd/{one}") for one in os.listdir("/proc/self/fd"))
    return os.path.realpath(path) in places


@pytest.fixture
def windows(monkeypatch):
    """The rule of Windows for files of this process that are open, and its locks."""
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("this system does not tell what is open")

    def refusing(real):
        def refused(*paths, **more):
            if any(map(is_open, paths)):
                error = PermissionError(13, "used by another process", str(paths[-1]))
                error.winerror = SHARING_VIOLATION
                raise error
            return real(*paths, **more)

        return refused

    for name in ("unlink", "replace"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    monkeypatch.setattr(locks, "fcntl", None)
    for module in (locks, inventory):
        monkeypatch.setattr(module, "KEEPS_OPEN_FILES", True)
    taking = SimpleNamespace(LK_NBLCK=2, locking=lambda descriptor, *_: fcntl.flock(descriptor, 6))
    monkeypatch.setitem(sys.modules, "msvcrt", taking)


def test_features_go_that_nobody_reads_and_the_others_are_in_use(pipeline, workspace, windows):
    read, free = (Path(pipeline("extract", *SMALL, "--seed", seed).json["path"]) for seed in (0, 1))
    file = FeatureFile(read)
    assert pipeline("cache", "trim", "--to", "0", "--json").json["in_use"] == [f"features/{read.name}"]
    assert (read.exists(), free.exists()) == (True, False)
    del file
    assert pipeline("cache", "trim", "--to", "0", "--json").json["in_use"] == []
    assert list((workspace / "features").iterdir()) == []


@pytest.mark.parametrize("stands", ["nothing", "another"])
def test_shards_are_joined(pipeline, monkeypatch, workspace, windows, stands):
    if stands == "another":
        with monkeypatch.context() as patch:
            patch.setattr(shards._Join, "_joined", lambda *_: False)
            assert pipeline("extract", *SMALL, "--shards", 2).status == 1
        first, second = sorted((workspace / "features").glob("*.shards/*.h5"))
        first.write_bytes(second.read_bytes())
    ended = pipeline("extract", *SMALL, "--shards", 2)
    assert ended.status == 0, ended.err
