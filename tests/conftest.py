"""What the tests share: the real CIFAR-10 where it is, real photographs, and the command line in-process."""

import contextlib
import gc
import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys

if "PYTEST_XDIST_WORKER" in os.environ:  # as many workers as cores: a thread for each, or they wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")  # else each worker starts a pool that imports torch
    gc.disable()  # until all is imported, which stays

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import psutil
import pytest
from PIL import Image

from extract.data import cifar
from extract.runtime.memory import CLEAR_REFS

# In memory nobody waits until files are on a disk. Programs must be able to run there.
SHM = Path("/dev/shm")
if SHM.is_dir() and shutil.disk_usage(SHM).free > 2e9 and not os.statvfs(SHM).f_flag & os.ST_NOEXEC:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(SHM))

if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it, and the tests send it

hypothesis.settings.register_profile("shared machine", deadline=None)  # whose moments of silence are nobody's fault
hypothesis.settings.load_profile("shared machine")

# Folders of tests that compute with features or networks: what they find must hold for every instruction set.
ARITHMETIC = (
    *("extract/", "heads/", "finetune/"),
    *(f"pipelines/{name}/" for name in ("tasks", "training", "predict", "search")),
)
PATIENCE_SECONDS = 280  # with a script
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, stdout, stderr."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object that stdout must be."""
        return json.loads(self.out)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests whose results depend on arithmetic, by folder, and puts long tests first.

    A worker would else be left with a long one at the end while the other has nothing to do.
    """
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).as_posix().startswith(ARITHMETIC):
            item.add_marker("arithmetic")
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Spares the collector of garbage the objects of all imports, which stay."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def cifar_dir() -> Path:
    """The directory that holds the real CIFAR-10 in its standard layout."""
    given = os.environ.get("CIFAR10_DIR")  # as the commands take it: that directory, or the one that holds it
    for place in (*((Path(given), Path(given).parent) if given else ()), BESIDE):
        if (place / "cifar-10-batches-py" / "batches.meta").is_file():
            return place
    pytest.skip("the real CIFAR-10 is neither at CIFAR10_DIR nor in ../shared/data")


@pytest.fixture(scope="session")
def photographs() -> list[Image.Image]:
    """Two real photographs (640 x 427), which scikit-learn ships."""
    from sklearn.datasets import load_sample_images

    return [Image.fromarray(array) for array in load_sample_images()["images"]]


@pytest.fixture
def photo_folder(tmp_path: Path, photographs: list[Image.Image]) -> Path:
    """Class folders of photographs in several sizes, modes and formats: 2 classes, 8 images each."""
    root = tmp_path / "photos"
    suffixes = [".jpg", ".png", ".webp", ".bmp", ".gif", ".tif", ".JPEG", ".jpg"]
    for name, photo in zip(("flower", "temple"), photographs, strict=True):
        (root / name).mkdir(parents=True)
        for index, suffix in enumerate(suffixes):
            left = 40 * index
            tile = photo.crop((left, 10, left + 200 + 13 * index, 210))
            tile = tile.convert("L") if index == 1 else tile.convert("RGBA") if index == 2 else tile
            tile.save(root / name / f"{index}{suffix}")
    return root


@pytest.fixture
def fake_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a directory with noise in the layout of `cifar10` or `cifar100`, so many images of every class.

    The classes fall into `groups`, superclasses, in turn.
    """

    def make(name: str, class_names: list[str], *, train: int, test: int, groups: Sequence[str] = ()) -> Path:
        layout, rng = cifar.LAYOUTS[name], np.random.default_rng(0)
        (place := tmp_path / "data" / layout.folder).mkdir(parents=True)
        coarse = {"coarse_label_names": list(groups)} if groups else {}
        sums: dict[str, str] = {}

        def keep(file: str, content: object) -> dict[str, str]:
            (place / file).write_bytes(pickle.dumps(content))
            sums[file] = hashlib.md5((place / file).read_bytes(), usedforsecurity=False).hexdigest()
            return {file: sums[file]}

        def images(file: str, count: int) -> dict[str, str]:
            labels = list(range(len(class_names))) * count
            levels = rng.integers(0, 256, (len(labels), 3 * 32 * 32), dtype=np.uint8)
            groups_of = {"coarse_labels": [label % len(groups) for label in labels]} if groups else {}
            return keep(file, {"data": levels, layout.labels_key: labels, **groups_of})

        parts = {"train": images(next(iter(layout.train)), train), "test": images(next(iter(layout.test)), test)}
        keep(layout.meta[0], {layout.names_key: class_names, **coarse})
        meta = (layout.meta[0], sums[layout.meta[0]])
        monkeypatch.setitem(cifar.LAYOUTS, name, replace(layout, **parts, meta=meta))
        return tmp_path / "data"

    return make


@pytest.fixture
def pipeline(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ended]:
    """Runs `pipeline WORDS...` in this process, in a fresh workspace."""
    from pipelines.cli import main

    monkeypatch.setenv("PIPELINE_WORKSPACE", str(tmp_path / "workspace"))

    def run(*words: object) -> Ended:
        capfd.readouterr()
        try:
            main([str(word) for word in words])
            status = 0
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, err = capfd.readouterr()
        return Ended(status, out, err)

    return run


@pytest.fixture(scope="session")
def launched() -> Iterator[Callable[..., int]]:
    """Runs a script by words, with three streams (paths), in a process of its own; gives its exit status.

    Where a system can fork, it is a fork of `launcher.py`, which has imported torch already.
    """
    here = Path(__file__)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if not hasattr(os, "fork"):
        yield lambda words, streams: _ended(words, streams, environment)
        return
    words = [sys.executable, str(here.with_name("launcher.py"))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as process:
        requests, answers = process.stdin, process.stdout
        assert requests is not None
        assert answers is not None

        def run(words: list[str], streams: list[str]) -> int:
            given = {"environment": {**os.environ, "OMP_NUM_THREADS": "1"}, "folder": os.getcwd()}
            given |= {"words": words, "streams": streams, "seconds": PATIENCE_SECONDS}
            print(json.dumps(given), file=requests, flush=True)
            return int(answers.readline())

        yield run
        requests.close()


def _ended(words: list[str], streams: list[str], environment: dict[str, str]) -> int:
    """The same by a Python of its own."""
    with contextlib.ExitStack() as opened:
        files = (opened.enter_context(open(path, "r+b")) for path in streams)
        given = dict(zip(("stdin", "stdout", "stderr"), files, strict=True))
        return subprocess.run(
            [sys.executable, *words], **given, env=environment, timeout=PATIENCE_SECONDS, check=False
        ).returncode


@pytest.fixture
def in_process(launched: Callable[..., int], tmp_path: Path) -> Callable[..., str]:
    """Runs a script with words in a process of its own, on one thread, and gives its stdout; it must end well."""

    def run(script: Path, *words: object) -> str:
        out, err = (tmp_path / f"{script.stem}.{name}" for name in ("out", "err"))
        for path in (out, err):
            path.write_text("")
        status = launched([str(script), *map(str, words)], [os.devnull, str(out), str(err)])
        assert status == 0, out.read_text()[-1000:] + err.read_text()[-3000:]
        return out.read_text()

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    """A seeded generator."""
    return np.random.default_rng(0)


@pytest.fixture
def peak_bytes() -> int:
    """The peak of this process, just reached and given back: much more than a small run takes beside what is there."""
    if not CLEAR_REFS.exists():
        pytest.skip("only Linux can set the peak of a process back")
    more = 500_000_000
    np.ones(more, dtype=np.uint8)
    return psutil.Process().memory_info().rss + more
