"""Check that timm's architectures train, fine-tune and extract, each for one step at the smallest size that it takes.

Of every module of timm the networks with the fewest parameters, and all of the families in `WHOLE`. Each command runs
in a process of its own, with a limit of time; its end is "done", "refused" (one sentence) or a fault.
Beside it stands what `run --dry-run` says of the same job: what it calls possible must not be refused. Networks above
`LARGEST` parameters are asked on shapes alone.

    python -m benchmarks.architectures [--each 4] [--only PATTERN] [--seconds 300] [--largest N] [--rows FILE]
"""

import argparse
import contextlib
import fnmatch
import functools
import io
import json
import multiprocessing
import os
import re
import resource
import tempfile
import unittest.mock
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from PIL import Image

from benchmarks.hardware import write
from extract.errors import InvalidInputError
from finetune.architectures import networks
from pipelines.cli import main as command_line
from pipelines.studies import execute as _conduct  # noqa: F401 (what commands import when they run is loaded once, here)
from pipelines.studies import plan as _plan  # noqa: F401
from pipelines.studies import timing
from pipelines.training import prepare as _prepare  # noqa: F401

WHOLE = ("cait*", "pit_*", "vit_*siglip*", "vit_pe_core*")
LARGEST = 300_000_000  # parameters of what is computed; larger ones would not fit beside others
MEMORY_BYTES = 14 << 30  # of addresses, for each command
SIZES = (32, 48, 64, 96, 128, 160, 192, 224, 240, 256, 288, 320, 384, 448, 512, 768, 896, 1024)
COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "--network"),
    "finetune frozen": ("finetune", "--mode", "frozen", "--weights", "untrained", "--network"),
    "finetune head-first": ("finetune", "--mode", "head-first", "--weights", "untrained", "--network"),
    "finetune partial": ("finetune", "--mode", "partial:1", "--weights", "untrained", "--network"),
    "extract": ("extract", "--weights", "untrained", "--backbone"),
    "extract pooled": ("extract", "--pool", "avg", "--weights", "untrained", "--backbone"),
}
PLANNED_ALONE = ("finetune partial", "extract pooled")  # not computed: near `finetune head-first` and `extract`
CLASSES, TRAIN_IMAGES, TEST_IMAGES, SIDE = 2, 4, 1, 40  # of the folder that they work on; the images are noise
TRAINING = ("--epochs", "1", "--batch-size", str(CLASSES * TRAIN_IMAGES))
FAULT = re.compile(r"Traceback|error: \w+(Error|Exception)\b|\.py:\d+: \w*Warning")
LIBRARIES = ("torch", "timm", "numpy")


def main() -> None:
    """Parses the command line, scans, and writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=4, help="networks of a module")
    parser.add_argument("--only", default="*", help="networks whose name matches")
    parser.add_argument("--seconds", type=float, default=300, help="after which a command is ended")
    parser.add_argument("--largest", type=int, default=LARGEST, help="parameters of what is computed")
    parser.add_argument("--rows", type=Path, default=Path("architectures.jsonl"), help="kept row by row; goes on there")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if not given.rows.exists():
        given.rows.write_text(json.dumps(chosen(given.each)) + "\n")
    names, *done = [json.loads(line) for line in given.rows.read_text().splitlines()]
    known = {row["network"] for row in done}
    with given.rows.open("a") as file:
        for name in names:
            if name not in known and fnmatch.fnmatch(name, given.only):
                row = scanned(name, seconds=given.seconds, largest=given.largest)
                file.write(json.dumps(row) + "\n")
                file.flush()
                done.append(row)
    results = {"chosen": len(names), "counts": counts(done), "rows": done}
    print(write("architectures", results, libraries=LIBRARIES))


def chosen(each: int) -> list[str]:
    """The networks to scan: the smallest `each` of every module, and the families of `WHOLE`, smallest first."""
    names = timm.list_models()
    sizes = alone(lambda: (parameters(name) for name in names), tasks=names, seconds=300)

    def order(name: str) -> tuple[int, str]:
        return (sizes[name] or 1 << 60, name)

    found = {
        name for module in timm.list_modules() for name in sorted(timm.list_models(module=module), key=order)[:each]
    }
    found |= {name for pattern in WHOLE for name in timm.list_models(pattern)}
    return sorted(found, key=order)


def parameters(name: str) -> int | None:
    """The number of parameters; None for a network that cannot be built on shapes."""
    try:
        with torch.device("meta"):
            return sum(one.numel() for one in timm.create_model(name, num_classes=10).parameters())
    except Exception:  # noqa: BLE001 (such networks come last)
        return None


def scanned(name: str, *, seconds: float, largest: int) -> dict[str, Any]:
    """One network: parameters, size, and the end of every command with what the plan said of it.

    All in one process; where that dies or takes too long, what it was at is a fault, and another one does the rest.
    """
    known: dict[str, Any] = {}
    tasks = ["parameters", "image_size", *(f"plan {one}" for one in COMMANDS), *(f"run {one}" for one in COMMANDS)]
    while left := [task for task in tasks if task not in known]:
        work = functools.partial(done_in_order, name, left, known=dict(known), largest=largest)
        known |= alone(work, tasks=left, seconds=seconds)
    ends = {one: {kind: known[f"{kind} {one}"] for kind in ("plan", "run")} for one in COMMANDS}
    for end in ends.values():
        if end["run"] is None:
            del end["run"]
    sizes = {one: known[one] for one in ("parameters", "image_size")}
    return {"network": name, **sizes, "computed": any("run" in end for end in ends.values()), "ends": ends}


def done_in_order(name: str, tasks: list[str], *, known: dict[str, Any], largest: int) -> Iterator[Any]:
    """What comes of each of the `tasks`; None for a command that is not run, because the network is too large
    or another command stands for it."""
    for task in tasks:
        if task == "parameters":
            known[task] = parameters(name)
        elif task == "image_size":
            known[task] = smallest_size(name)
        else:
            kind, _, command = task.partition(" ")
            count, size = known["parameters"], known["image_size"]
            trained = () if command == "finetune frozen" or "extract" in command else TRAINING
            options = () if not isinstance(size, int) else ("--image-size", str(size))
            words = (*COMMANDS[command], name, *trained, *options)
            if kind == "plan":
                known[task] = ended(words, planned=True)
            else:
                computed = isinstance(count, int) and count <= largest and command not in PLANNED_ALONE
                known[task] = ended(words) if computed else None
        yield known[task]


def smallest_size(name: str) -> int | None:
    """The first of `SIZES`, then the network's own, at which it can be built; None where it never can."""
    own = timm.get_pretrained_cfg(name, allow_unregistered=True)
    for size in (*SIZES, *(() if own is None else (own.input_size[1],))):
        with contextlib.suppress(InvalidInputError), torch.device("meta"):
            networks.build(name, n_classes=10, image_size=size)
            return size
    return None


def ended(words: tuple[str, ...], *, planned: bool = False) -> dict[str, Any]:
    """How a command ended in a workspace of its own: "done", "refused" or "fault", with what it said last.

    With `planned` it is `run --dry-run` of a study of that command, without the steps that it times.
    """
    out, err = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory(prefix="architectures-") as temporary:
        folder = Path(temporary)
        words = (*words, "--dataset", str(pictures(folder / "images")))
        if planned:
            (folder / "study.yaml").write_text(as_study(words))
            words = ("run", str(folder / "study.yaml"), "--dry-run", "--json")
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            unittest.mock.patch.object(timing, "training_rate", return_value=None),
        ):
            status = exit_status([*words, "--workspace", str(folder / "workspace"), "--device", "cpu"])
    said = [line for line in err.getvalue().splitlines() if line.startswith("error: ")]
    lines = err.getvalue().strip().splitlines()
    one_sentence = status in (1, 2) and len(said) == 1 and "unexpected failure" not in said[0]
    kind = "done" if status == 0 else "refused" if one_sentence else "fault"
    if planned and status == 0 and json.loads(out.getvalue())["impossible"]:
        kind, said = "refused", [json.loads(out.getvalue())["plan"][-1]["note"]]
    if FAULT.search(err.getvalue()):
        kind = "fault"
    return {"end": kind, "status": status, "said": "" if kind == "done" else (said or lines or [""])[-1][:600]}


def pictures(folder: Path) -> Path:
    """A folder of noise, by class and split."""
    for split, count in (("train", TRAIN_IMAGES), ("test", TEST_IMAGES)):
        for number in range(CLASSES):
            (place := folder / split / f"class{number}").mkdir(parents=True)
            for image in range(count):
                pixels = np.random.default_rng(image).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{image}.png")
    return folder


def exit_status(words: list[str]) -> int:
    """What the command line exits with."""
    try:
        command_line(words)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def as_study(words: tuple[str, ...]) -> str:
    """A study of the one job that the command line `words` are."""
    pairs = zip(words[1::2], words[2::2], strict=True)
    options = ", ".join(f"{name.removeprefix('--')}: {value}" for name, value in pairs)
    return f"jobs:\n  - {{command: {words[0]}, {options}}}\n"


def alone(work: Callable[[], Iterator[Any]], *, tasks: list[str], seconds: float) -> dict[str, Any]:
    """The answers of `work()` to `tasks` in a process of its own, up to one that it dies of or is too slow for."""
    receiver, sender = multiprocessing.Pipe(duplex=False)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        for answer in work():
            sender.send(answer)

    child = multiprocessing.get_context("fork").Process(target=limited)
    child.start()
    sender.close()
    answers: dict[str, Any] = {}
    with _ended(child):
        for task in tasks:
            if not receiver.poll(seconds):
                return answers | {task: {"end": "fault", "said": f"took longer than {seconds:.0f} s"}}
            try:
                answers[task] = receiver.recv()
            except EOFError:
                return answers | {task: {"end": "fault", "said": "its process died"}}
    return answers


@contextlib.contextmanager
def _ended(child: Any) -> Iterator[None]:
    try:
        yield
    finally:
        child.join(1)
        if child.is_alive():
            os.kill(child.pid, 9)
            child.join()


def counts(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many of every command ended how, how many were asked on shapes alone, and where plan and run differ."""
    found: dict[str, Counter] = {command: Counter() for command in COMMANDS}
    differing = 0
    for row in rows:
        for command, end in row["ends"].items():
            last = end.get("run") or end["plan"]
            found[command][last["end"] + ("" if "run" in end else " on shapes")] += 1
            differing += "run" in end and end["plan"]["end"] != end["run"]["end"]
    return {
        "networks": len(rows),
        "on shapes alone": sum(not row["computed"] for row in rows),
        "ends": {command: dict(one) for command, one in found.items()},
        "plan and run differ": differing,
    }


if __name__ == "__main__":
    main()
