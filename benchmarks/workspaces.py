"""Every command on a small workspace, as it is when nothing happens: what interrupted ones are compared with.

Commands run in children that are forked from a process with everything imported, on one thread, so that hundreds of
them meet hundreds of runs and not hundreds of imports.
"""

import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image

from extract.runtime.disk import TEMPORARY

DATA = ("--dataset", "digits", "--image-size", "32", "--subset", "150", "--test-subset", "60")
BACKBONE = ("--backbone", "test_resnet", "--weights", "untrained", *DATA)
TRAINED = ("--validation", "0.2", "--epochs", "2", "--batch-size", "32", "--precision", "float32")
NETWORK = ("--network", "resnet8", "--width", "0.25", *DATA, *TRAINED)
STUDY = """
defaults: {dataset: digits, image-size: 32, subset: 100, test-subset: 50, weights: untrained}
jobs:
  - {command: fit-head, backbone: test_resnet, head: centroid, seeds: 2}
  - {command: train, network: resnet8, width: 0.25, epochs: 1, batch-size: 32, precision: float32}
"""
HEAD_SPACE = "C: {low: 0.0001, high: 10.0, log: true}\n"
NETWORK_SPACE = "learning_rate: {low: 0.01, high: 0.5, log: true}\n"
WITH_TIME = re.compile(r"seconds|created|per_second|memory|duration|^timing$|^checksum$")
# Locks, what a killed process left over, events with their times, and the journal, whose trials result.json holds.
UNCOMPARED = re.compile(rf"{TEMPORARY}$|\.lock$|tfevents|/journal\.log$")
WITHOUT_DEVICE = ("runs", "report", "cache", "compare", "features")
PREPARED = (
    "timm",
    "sklearn.datasets",
    "sklearn.linear_model",
    "optuna.importance",
    "onnx",
    "onnxruntime",
    "onnxscript",
)


@dataclass(frozen=True)
class Command:
    """One command line, and the name under which figures show it."""

    name: str
    words: tuple[str, ...]


@dataclass
class Ended:
    """How a child ended: its exit status (negative: by that signal) and what it wrote to stderr."""

    status: int
    said: str


class Bench:
    """A folder with the workspace `here`, which commands use, and a copy of it before and after each command."""

    def __init__(self, root: Path, *, here: Path | None = None) -> None:
        self.root, self.here = root, here or root / "here"
        _make_inputs(self.root)
        for name in ("workspace", "out"):
            (self.here / name).mkdir(parents=True)
        self.commands: list[Command] = []
        self.events: dict[str, int] = {}

    def before(self, index: int) -> Path:
        """The workspace before command number `index`, left alone so far; after the last one, the end."""
        return self.root / f"before-{index}"

    def learn(self) -> None:
        """Runs every command once, left alone, counts its file events, and keeps a copy in between."""
        shutil.copytree(self.here, self.before(0))
        for command in self._listed():
            self.commands.append(command)
            ended, count = self.run(command, at=None)
            if ended.status != 0:
                raise SystemExit(f"{command.name} ended with {ended.status}: {ended.said}")
            self.events[command.name] = count
            shutil.copytree(self.here, self.before(len(self.commands)))
            print(f"{command.name}: {count} file events", flush=True)

    def _listed(self) -> Iterator[Command]:
        """Later commands are made when the earlier ones have left the runs that they name."""
        work, out = self.here / "workspace", self.here / "out"
        inputs = self.root / "inputs"
        yield Command("extract", ("extract", *BACKBONE))
        yield Command("fit-head logistic", ("fit-head", *BACKBONE, "--head", "logistic"))
        yield Command("fit-head linear", ("fit-head", *BACKBONE, "--head", "linear", "--epochs", "3"))
        yield Command("train", ("train", *NETWORK, "--refit", "--tensorboard", str(out / "board")))
        run = next(path.parent.name for path in (work / "runs").glob("*/network.safetensors"))
        tuned = ("--network", "resnet8", "--weights", run, *DATA, *TRAINED)
        yield Command("finetune", ("finetune", *tuned, "--mode", "head-first"))
        yield Command(
            "search head", ("search", str(inputs / "head.yaml"), "--head", "logistic", *BACKBONE, "--trials", "4")
        )
        yield Command("search network", ("search", str(inputs / "network.yaml"), *NETWORK, "--trials", "3"))
        yield Command("run", ("run", str(inputs / "study.yaml")))
        yield Command("audit", ("audit", *BACKBONE, "--csv", str(out / "audit.csv")))
        yield Command("rank", ("rank", "--backbones", "test_resnet,test_vit", "--weights", "untrained", *DATA[:-2]))
        yield Command("predict", ("predict", "--run", run, str(inputs / "images"), "--csv", str(out / "predicted.csv")))
        yield Command("runs", ("runs", "--csv", str(out / "runs.csv")))
        yield Command("export", ("export", "--run", run))
        yield Command("report", ("report", "--output", str(out / "report.html"), "--figures", str(out / "figures")))
        yield Command("cache trim", ("cache", "trim", "--to", "0"))

    def restore(self, index: int) -> None:
        """Makes the workspace what it was before command number `index`."""
        for path in self.here.iterdir():
            shutil.rmtree(path)
        shutil.copytree(self.before(index), self.here, dirs_exist_ok=True)

    def run(self, command: Command, *, at: Callable[[int, str], None] | None) -> tuple[Ended, int]:
        """Runs a command in a child; `at(number, event)` is called there before each of its file events.

        How it ended, and the number of its file events.
        """
        reading, writing = os.pipe()
        noted = self.root / "stderr"
        child = os.fork()
        if child == 0:
            os.close(reading)
            _become(command, noted, self.here, writing, at=at)
        os.close(writing)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        with os.fdopen(reading, "rb") as pipe:
            count = len(pipe.read())
        return Ended(status, noted.read_text(errors="replace")), count

    def differences(self, index: int) -> list[str]:
        """Where the workspace is not what it was after command number `index`, times apart; empty where it is."""
        return differences(self.before(index + 1), self.here)


def _make_inputs(root: Path) -> None:
    inputs, rng = root / "inputs", np.random.default_rng(0)
    (inputs / "images").mkdir(parents=True)
    for name, text in (("study.yaml", STUDY), ("head.yaml", HEAD_SPACE), ("network.yaml", NETWORK_SPACE)):
        (inputs / name).write_text(text)
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(inputs / "images" / f"{number}.png")


def prepare() -> None:
    """Imports what commands import, and starts no thread: children are forked from here."""
    import importlib
    import pkgutil

    import pipelines

    torch.set_num_threads(1)
    for name in PREPARED:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for module in pkgutil.walk_packages(pipelines.__path__, "pipelines."):
        importlib.import_module(module.name)


def _become(command: Command, noted: Path, here: Path, pipe: int, *, at: Callable[[int, str], None] | None) -> None:
    """Runs the command in this child, never to return."""
    os.dup2(os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    for name in ("RANK", "WORLD_SIZE"):
        os.environ.pop(name, None)
    sys.addaudithook(_counter(str(here), pipe, at))
    command_line(command.words, here / "workspace")


def command_line(words: Sequence[str], workspace: Path, *more: str) -> NoReturn:
    """Runs a command on the CPU in this child, and ends it."""
    from pipelines.cli import main

    device = () if words[0] in WITHOUT_DEVICE else ("--device", "cpu")
    try:
        main([*words, "--workspace", str(workspace), *device, *more])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    os._exit(0)


def _counter(here: str, pipe: int, at: Callable[[int, str], None] | None) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that writes a byte for every event that changes a file under `here`."""
    seen = [0]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if _changes(event, arguments, here):
            seen[0] += 1
            os.write(pipe, b".")
            if at is not None:
                at(seen[0], f"{event} {arguments[0]}")

    return hook


def _changes(event: str, arguments: tuple[Any, ...], here: str) -> bool:
    if event == "open":
        _, mode, flags = arguments
        writes = any(sign in mode for sign in "wax+") if isinstance(mode, str) else bool((flags or 0) & os.O_ACCMODE)
    else:
        writes = event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink")
    return writes and isinstance(arguments[0], str | os.PathLike) and os.fspath(arguments[0]).startswith(here)


def differences(expected: Path, found: Path) -> list[str]:
    """What is not alike in two folders, times apart, and apart from locks and what a killed process left over."""
    ours, theirs = _files(expected), _files(found)
    lines = [f"lacks {name}" for name in sorted(ours - theirs)] + [f"has also {name}" for name in sorted(theirs - ours)]
    for name in sorted(ours & theirs):
        one, other = _plain(expected / name), _plain(found / name)
        if one != other:
            lines.append(f"{name} differs{_where(one, other)}")
    return lines


def _files(root: Path) -> set[str]:
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    return {name for name in names if not UNCOMPARED.search(name)}


def _plain(path: Path) -> Any:
    """A file without the times in it: JSON as values, pages without their numbers, all else as a checksum."""
    content = path.read_bytes()
    if path.suffix in (".json", ".jsonl"):
        with contextlib.suppress(ValueError):
            return [
                _timeless(json.loads(line)) for line in ([content] if path.suffix == ".json" else content.splitlines())
            ]
    if path.suffix in (".html", ".csv", ".svg"):
        return re.sub(r"[-+]?\d[\d.,e+-]*( (s|min|h))?", "#", content.decode("utf-8", "replace"))
    if path.suffix == ".png":
        return "a picture"  # of times, among others
    return hashlib.sha256(content).hexdigest()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _timeless(one) for key, one in value.items() if not WITH_TIME.search(key) and key != "history.jsonl"
        }
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _where(one: Any, other: Any) -> str:
    """The first difference of two values, shortly."""
    texts = [value if isinstance(value, str) else json.dumps(value, indent=0, sort_keys=True) for value in (one, other)]
    lines = list(difflib.unified_diff(*(text.splitlines() for text in texts), lineterm="", n=0))[3:7]
    return ": " + " | ".join(line[:150] for line in lines)
