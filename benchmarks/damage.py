"""Random damages to every kind of file of a workspace, three commands after each: no answer may differ in silence.

A damage is one bit, one digit, a truncation, a run of zeros, or another file in its place. After it come `runs`, a
command that reads the file, and the one that made it. Where an answer is not that of the undamaged workspace (times
apart), the exit status or stderr must say so; nothing may end in a Python type name or a traceback, or hang.

    OMP_NUM_THREADS=1 python -m benchmarks.damage [--count 1000] [--seed 0] [--only KIND]
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.hardware import write
from benchmarks.workspaces import BACKBONE, NETWORK, Bench, Command, prepare

LIBRARIES = ("torch", "timm", "h5py", "joblib", "optuna")
PATIENCE_SECONDS = 60.0
REPORTED = 0.04  # of the damages are shown to a report too, the slowest of all readers
REFUSED = re.compile(r"Traceback|error: \w+(Error|Exception)\b|\.py:\d+: \w*Warning")
VARYING = re.compile(r"seconds|created|per_second|memory|^timing$|^cached$|^computed$|^status$|^path$|^csv$|^jobs$")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00| UTC)?")
SAYS = re.compile(r"whole|damaged|altered|cut short|no image|cannot be|must be|left out|computed again")
FOREIGN = (b"{}", b"5\n", b"", b"\x89PNG\r\n\x1a\n" + bytes(64), b"key: value\n", bytes(4096))
HEADS = ("centroid", "knn", "ridge", "mlp", "kernel")
Words = tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """How a command ended: exit status, the JSON on stdout without times, stderr; `page` of a report, without times."""

    status: int
    values: Any
    said: str
    page: str = ""


class Damages:
    """A workspace in which every command has run, its undamaged answers, and what damages do to them."""

    def __init__(self, root: Path, *, seed: int) -> None:
        self.bench, self.chance = Bench(root), random.Random(seed)
        self.work, self.root, self.whole = self.bench.here / "workspace", root, root / "whole"
        self.page = self.bench.here / "out" / "page.html"
        self.makers: list[tuple[str, Words]] = []
        self.answers: dict[Words, Answer] = {}
        self.problems: list[str] = []
        self.kinds: dict[str, list[str]] = {}
        self.counts: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()

    def build(self) -> None:
        """Runs every command once, and one training that is killed between two epochs."""
        for one in self.bench._listed():
            if one.name == "cache trim":
                continue
            self._made(one.words)
            if one.name == "fit-head linear":
                for head in HEADS:
                    self._made(("fit-head", *BACKBONE, "--head", head))
        network = next(path.parent.name for path in (self.work / "runs").glob("*/network.safetensors"))
        self._made(("report", "--output", str(self.page), "--loss-landscape", network))
        self._killed(("train", *NETWORK, "--seed", "7"))
        shutil.copytree(self.work, self.whole)
        for path in sorted(self.whole.rglob("*")):
            if path.is_file():
                name = path.relative_to(self.whole).as_posix()
                self.kinds.setdefault(re.sub(r"[0-9a-f]{12,64}|\d+", "*", name), []).append(name)

    def _made(self, words: Words) -> None:
        before = {path: path.stat().st_mtime_ns for path in self.work.rglob("*") if path.is_file()}
        answer = self.ask(words)
        if answer.status != 0:
            raise SystemExit(f"{words} ended with {answer.status}: {answer.said}")
        for path in self.work.rglob("*"):
            if path.is_file() and before.get(path) != path.stat().st_mtime_ns:
                name = path.relative_to(self.work).as_posix()
                if name not in dict(self.makers):
                    self.makers.append((name, words))

    def _killed(self, words: Words) -> None:
        seen: list[str] = []

        def kill(number: int, event: str) -> None:
            if "os.rename" in event and "checkpoint" in event:
                seen.append(event)
                if len(seen) == 2:
                    os.kill(os.getpid(), signal.SIGKILL)

        self.bench.run(Command("killed", words), at=kill)
        for path in (self.work / "checkpoints").rglob("*"):
            if path.is_file():
                self.makers.append((path.relative_to(self.work).as_posix(), words))

    def ask(self, words: Words) -> Answer:
        """The answer of a command in a child of this process."""
        out, err = self.root / "stdout", self.root / "stderr"
        child = os.fork()
        if child == 0:
            _become(words, self.work, out, err)
        until = time.monotonic() + PATIENCE_SECONDS
        while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                return Answer(-99, None, "it hung")
            time.sleep(0.005)
        text = out.read_text(errors="replace")
        try:
            values = _timeless(json.loads(text))
        except ValueError:
            values = f"no JSON: {text[:200]}"
        if words[0] == "run" and isinstance(values, dict):  # what is planned or computed again is no answer
            values = {name: values.get(name) for name in ("failed", "impossible")}
        page = MOMENT.sub("#", self.page.read_text()) if words[0] == "report" and self.page.exists() else ""
        return Answer(os.waitstatus_to_exitcode(ended[1]), values, err.read_text(errors="replace"), page)

    def expected(self, words: Words) -> Answer:
        """The answer of a command in the undamaged workspace."""
        if words not in self.answers:
            self.restore()
            self.answers[words] = self.ask(words)
            self.restore()
        return self.answers[words]

    def restore(self) -> None:
        """Makes the workspace undamaged again: copies only what has changed."""
        self.page.unlink(missing_ok=True)
        present = {path for path in self.work.rglob("*") if not path.is_dir()}
        for source in self.whole.rglob("*"):
            place = self.work / source.relative_to(self.whole)
            if source.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            present.discard(place)
            if not place.is_file() or not _same(source, place):
                shutil.copy2(source, place)
        for path in present:
            path.unlink()

    def commands(self, name: str) -> list[Words]:
        """What is run after a damage to the file `name`: `runs`, a reader of the file, and what made it."""
        maker = dict(self.makers).get(name, ("run", str(self.root / "inputs" / "study.yaml")))
        report = ("report", "--output", str(self.page))
        study = ("run", str(self.root / "inputs" / "study.yaml"), "--dry-run")
        reader: Words = report if self.chance.random() < REPORTED else study
        run = re.match(r"runs/([0-9a-f]{12})", name)
        if name.startswith("features/"):
            reader = ("features", "verify", str(self.work / name))
        elif name.startswith(("cache/", "extractions/")):
            reader = self.chance.choice([study, ("fit-head", *BACKBONE)])
        elif run and reader is not report:
            other = self.chance.choice([one for one in self._runs() if one != run[1]])
            reader = self.chance.choice(
                [
                    ("predict", "--run", run[1], str(self.root / "inputs" / "images")),
                    ("compare", run[1], other),
                ]
            )
        elif name.startswith("landscapes/"):
            maker = (*report, "--loss-landscape", Path(name).name[:12])
        return [("runs",), reader, maker]

    def _runs(self) -> list[str]:
        return sorted({name.split("/")[1] for names in self.kinds.values() for name in names if name[:5] == "runs/"})

    def one(self, kind: str) -> None:
        """Damages a file of that kind and asks three commands."""
        name, how = self.chance.choice(self.kinds[kind]), self.chance.choice(sorted(HOW))
        words = self.commands(name)
        expected = [self.expected(one) for one in words]
        self.restore()
        path = self.work / name
        content = path.read_bytes()
        damaged = HOW[how](content, self)
        path.write_bytes(damaged)
        self.counts[kind] += 1
        for given, whole in zip(words, expected, strict=True):
            found = self.ask(given)
            self.ends[f"{given[0]}: {found.status}"] += 1
            what = _wrong(found, whole, name, changed=damaged != content)
            if what:
                problem = f"{how} in {name}: {' '.join(given)[:200]}: {what}".replace(str(self.root), "")
                print("PROBLEM", problem, flush=True)
                self.problems.append(problem)


def _wrong(found: Answer, whole: Answer, name: str, *, changed: bool) -> str:
    """What must not be, or an empty text."""
    if found.status == -99 or found.status < 0:
        return f"it ended with {found.status}"
    if (refused := REFUSED.search(found.said)) is not None:
        return f"it said {refused[0]!r}: {found.said[-600:]}"
    if isinstance(found.values, str):
        return found.values
    said = SAYS.search(found.said) is not None or Path(name).name in found.said
    if changed and (found.status != 0 or said):
        return ""
    if found.status != whole.status:
        return f"it ended with {found.status}: {found.said[-300:]}"
    if found.values != whole.values:
        return f"another answer: {_first(found.values, whole.values)}"
    return "another page" if found.page != whole.page else ""


def _first(one: Any, other: Any, where: str = "") -> str:
    """Where two values differ first."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(one.keys() | other.keys()):
            if one.get(key) != other.get(key):
                return _first(one.get(key), other.get(key), f"{where}.{key}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            if left != right:
                return _first(left, right, f"{where}[{index}]")
    return f"{where}: {str(one)[:150]} for {str(other)[:150]}"


def _bit(content: bytes, damages: Damages) -> bytes:
    found = bytearray(content)
    if found:
        found[damages.chance.randrange(len(found))] ^= 1 << damages.chance.randrange(8)
    return bytes(found)


def _digit(content: bytes, damages: Damages) -> bytes:
    places = [match.start() for match in re.finditer(rb"\d", content[:200_000])]
    if not places:
        return _bit(content, damages)
    found, place = bytearray(content), damages.chance.choice(places)
    found[place] = damages.chance.choice([one for one in b"0123456789" if one != found[place]])
    return bytes(found)


def _cut(content: bytes, damages: Damages) -> bytes:
    return content[: damages.chance.randrange(len(content))] if content else b""


def _zeros(content: bytes, damages: Damages) -> bytes:
    start = damages.chance.randrange(len(content)) if content else 0
    stop = min(start + damages.chance.randint(1, 512), len(content))
    return content[:start] + bytes(stop - start) + content[stop:]


def _foreign(content: bytes, damages: Damages) -> bytes:
    """A file of another kind, one of the same kind, or something else altogether."""
    kind = damages.chance.choice(sorted(damages.kinds))
    same = [names for names in damages.kinds.values() if len(names) > 1]
    pool = [damages.chance.choice(damages.kinds[kind]), damages.chance.choice(damages.chance.choice(same))]
    return damages.chance.choice([*FOREIGN, *((damages.whole / one).read_bytes() for one in pool)])


HOW: dict[str, Callable[[bytes, Damages], bytes]] = {
    "one bit": _bit,
    "one digit": _digit,
    "a truncation": _cut,
    "zeros": _zeros,
    "a foreign file": _foreign,
}


def _same(one: Path, other: Path) -> bool:
    first, second = one.stat(), other.stat()
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if not VARYING.search(key)}
    return [_timeless(one) for one in value] if isinstance(value, list) else value


def _become(words: Words, workspace: Path, out: Path, err: Path) -> None:
    """Runs the command in this child, never to return."""
    from pipelines.cli import main

    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    device = () if words[0] in ("runs", "features", "compare") else ("--device", "cpu")
    try:
        main([*words, "--workspace", str(workspace), *device, "--json"])
    except SystemExit as ended:
        os._exit(int(ended.code or 0))
    os._exit(0)


def main() -> None:
    """Parses the command line, damages, and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="kinds of files that hold this text")
    given = parser.parse_args()
    prepare()
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        damages, begun = Damages(Path(folder), seed=given.seed), time.perf_counter()
        damages.build()
        kinds = [kind for kind in sorted(damages.kinds) if (given.only or "") in kind]
        print(f"{len(kinds)} kinds of files after {time.perf_counter() - begun:.0f} s", flush=True)
        for number in range(given.count):
            damages.one(kinds[number % len(kinds)])
            if (number + 1) % 50 == 0:
                print(f"{number + 1} damages after {time.perf_counter() - begun:.0f} s", flush=True)
    results = {
        "damages": sum(damages.counts.values()),
        "commands": sum(damages.ends.values()),
        "problems": damages.problems,
        "seed": given.seed,
        "seconds": round(time.perf_counter() - begun, 1),
        "damages_by_kind": dict(sorted(damages.counts.items())),
        "ends": dict(sorted(damages.ends.items())),
    }
    print(results["damages"], "damages,", results["commands"], "commands,", len(damages.problems), "problems")
    if not given.only:
        print(write("damage", results, libraries=LIBRARIES))


if __name__ == "__main__":
    main()
