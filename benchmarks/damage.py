"""Random damages to every kind of file of a workspace, three commands after each: no answer may differ in silence.

A damage is one bit, one digit, a truncation, a run of zeros, or another file in its place. After it come `runs`, a
command that reads the file, and the one that made it. Where an answer is not that of the undamaged workspace (times
apart), the exit status or stderr must say so; nothing may end in a Python type name or a traceback, or hang.

    OMP_NUM_THREADS=1 python -m benchmarks.damage [--count 1000] [--seed 0] [--only KIND]
"""

import argparse
import os
import random
import re
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks import answers, corruptions
from benchmarks.answers import Answer, Words
from benchmarks.hardware import write
from benchmarks.workspaces import BACKBONE, NETWORK, Bench, Command, prepare

LIBRARIES = ("torch", "timm", "h5py", "joblib", "optuna")
REPORTED = 0.04  # of the damages are shown to a report too, the slowest of all readers
HEADS = ("centroid", "knn", "ridge", "mlp", "kernel")


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
        return answers.ask(words, self.work, self.root, page=self.page if words[0] == "report" else None)

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

    def _another(self) -> bytes:
        """A file of any kind, or one of a kind of which there are several."""
        kind = self.chance.choice(sorted(self.kinds))
        same = [names for names in self.kinds.values() if len(names) > 1]
        names = [self.chance.choice(self.kinds[kind]), self.chance.choice(self.chance.choice(same))]
        return (self.whole / self.chance.choice(names)).read_bytes()

    def one(self, kind: str) -> None:
        """Damages a file of that kind and asks three commands."""
        name, how = self.chance.choice(self.kinds[kind]), self.chance.choice(sorted(corruptions.HOW))
        words = self.commands(name)
        expected = [self.expected(one) for one in words]
        self.restore()
        path = self.work / name
        content = path.read_bytes()
        damaged = corruptions.HOW[how](content, self.chance, self._another)
        path.write_bytes(damaged)
        self.counts[kind] += 1
        for given, whole in zip(words, expected, strict=True):
            found = self.ask(given)
            self.ends[f"{given[0]}: {found.status}"] += 1
            what = answers.wrong(found, whole, name, changed=damaged != content)
            if what:
                problem = f"{how} in {name}: {' '.join(given)[:200]}: {what}".replace(str(self.root), "")
                print("PROBLEM", problem, flush=True)
                self.problems.append(problem)


def _same(one: Path, other: Path) -> bool:
    first, second = one.stat(), other.stat()
    return (first.st_size, first.st_mtime_ns) == (second.st_size, second.st_mtime_ns)


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
