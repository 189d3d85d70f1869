"""SIGKILL and SIGTERM at random file events of every command; then the same command again, left alone.

What comes out must be what an uninterrupted workspace holds, bit for bit, times apart. A file event is a file under
the workspace, or one that the user named, being opened to be written, renamed, removed, or a folder being made.

    OMP_NUM_THREADS=1 python -m benchmarks.kills [--kills 200] [--seed 0] [--only NAME]
"""

import argparse
import os
import random
import re
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.hardware import write
from benchmarks.workspaces import Bench, Command, prepare

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
LIBRARIES = ("torch", "timm", "h5py", "joblib", "optuna")
REFUSED = re.compile(r"Traceback|error: \w+(Error|Exception)\b|\.py:\d+: \w*Warning")


def main() -> None:
    """Parses the command line, kills, and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one command")
    given = parser.parse_args()
    prepare()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        bench, begun = Bench(Path(folder)), time.perf_counter()
        bench.learn()
        found = Kills(bench, seed=given.seed, only=given.only).all(given.kills)
    results = {"seed": given.seed, "seconds": round(time.perf_counter() - begun, 1), **found}
    print(found["kills"], "kills;", len(found["problems"]), "problems", *found["problems"], sep="\n")
    if not given.only:
        print(write("kills", results, libraries=LIBRARIES))


class Kills:
    """Kills commands of a bench, in turn, each from one to three times before it may end."""

    def __init__(self, bench: Bench, *, seed: int, only: str | None) -> None:
        self.bench, self.chance = bench, random.Random(seed)
        self.turns = [number for number, one in enumerate(bench.commands) if only in (None, one.name)]
        self.kills: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.problems: list[str] = []

    def all(self, count: int) -> dict[str, Any]:
        """Until `count` kills were met: the figures."""
        turn = 0
        while self.kills.total() < count:
            self._one(self.turns[turn % len(self.turns)])
            turn += 1
        names = [command.name for command in self.bench.commands]
        return {
            "kills": self.kills.total(),
            "reruns": turn,
            "problems": self.problems,
            "kills_by_command": {name: self.kills[name] for name in names if self.kills[name]},
            "ends": dict(self.statuses),
            "file_events": self.bench.events,
        }

    def _one(self, index: int) -> None:
        bench, command = self.bench, self.bench.commands[index]
        bench.restore(index)
        story = [self._killed(command) for _ in range(self.chance.randint(1, 3))]
        ended, _ = bench.run(command, at=None)
        self._look(command, ended.said, story)
        wrong = bench.differences(index)
        if ended.status != 0:
            wrong.append(f"the rerun ended with {ended.status}: {ended.said[-500:]}")
        for one in wrong:
            self._problem(command, story, one)

    def _killed(self, command: Command) -> str:
        number, event = self.chance.choice(SIGNALS), self.chance.randint(1, max(self.bench.events[command.name], 1))
        where = self.bench.root / "event"
        where.unlink(missing_ok=True)

        def kill(seen: int, what: str) -> None:
            if seen == event:
                descriptor = os.open(where, os.O_WRONLY | os.O_CREAT)
                os.write(descriptor, what.encode())
                os.kill(os.getpid(), number)

        ended, _ = self.bench.run(command, at=kill)
        met = where.exists()
        self.kills[command.name] += met
        self.statuses[f"{number.name} -> {ended.status}"] += met
        story = f"{number.name} at event {event} ({where.read_text() if met else 'not reached'}) -> {ended.status}"
        self._look(command, ended.said, [story])
        if met and ended.status not in ((-9,) if number == signal.SIGKILL else (143, 0)):
            self._problem(command, [story], f"status {ended.status}: {ended.said[-500:]}")
        return story

    def _look(self, command: Command, said: str, story: list[str]) -> None:
        if (found := REFUSED.search(said)) is not None:
            self._problem(command, story, f"it said {found[0]}: {said[-800:]}")

    def _problem(self, command: Command, story: list[str], what: str) -> None:
        text = f"{command.name}: {' ; '.join(story)}: {what}".replace(str(self.bench.root), "")
        print("PROBLEM", text, flush=True)
        self.problems.append(text)


if __name__ == "__main__":
    main()
