"""Workspaces that were altered, or that somebody else prepared."""

import pickle
from pathlib import Path

import h5py
import numpy as np

from extract.features import integrity
from tests.pipelines.cli.inputs.case import BACKBONE, Case

RUN = "0123456789ab"
RUNS = ("runs", "--workspace", "W", "--json")
REPORT = ("report", "--workspace", "W", "--json")
EXTRACT = ("extract", *BACKBONE, "--dataset", "digits", "--subset", "20", "--test-subset", "10", "--workspace", "W")
STUDY = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 20, test-subset: 10}
jobs: [{command: extract, backbone: test_resnet}]
"""


def _record(content: bytes):
    def make(folder: Path) -> None:
        place = folder / "W" / "runs" / RUN
        place.mkdir(parents=True)
        (place / "record.json").write_bytes(content)

    return make


def _features(fill):
    """A feature file made by hand, with an integrity header that is right."""

    def make(folder: Path) -> None:
        path = folder / "made.h5"
        with h5py.File(path, "w", libver="latest", userblock_size=integrity.BYTES) as file:
            fill(file)
        integrity.write(path, schema=1, complete=True, regions=())

    return make


def _prepared(folder: Path) -> None:
    for place in ("cache/joblib/pipelines/tasks/extract/_extract", "extractions", "searches/s", f"runs/{RUN}"):
        (folder / "W" / place).mkdir(parents=True)
        for name in ("output.pkl", "result.json", "record.json", f"{16 * 'a'}.json"):
            (folder / "W" / place / name).write_bytes(pickle.dumps(np.float64))


def _study(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY)
    (folder / "W" / "runs" / RUN).mkdir(parents=True)


def _huge(file) -> None:
    group = file.create_group("train")
    group.create_dataset("features", (1, 10**12, 9), np.float16)


def _occupied(folder: Path) -> None:
    """A file where the answers of extractions should stand."""
    place = folder / "W" / "cache" / "joblib" / "pipelines" / "tasks" / "extract" / "_extract"
    place.parent.mkdir(parents=True)
    place.touch()


CASES = [
    Case("a file in the place of a folder", ((*EXTRACT, "--json"),), _occupied, statuses=(2,), says="Move away what"),
    *(
        Case(f"a record that is {name}", (RUNS, REPORT), _record(content), says="record must be intact")
        for name, content in (
            ("empty", b""),
            ("{}", b"{}"),
            ("a number", b"5"),
            ("nested", b"[" * 100_000),
            ("of an earlier version", b'{"schema": 1, "run": "0123456789ab", "validation": -1}'),
        )
    ),
    *(
        Case(
            f"a feature file with {name}",
            (("features", "info", "made.h5", "--json"), ("fit-head", "--features", "made.h5", "--workspace", "W")),
            _features(fill),
            statuses=(2,),
            says="feature file must be intact",
        )
        for name, fill in (
            ("nothing in it", lambda file: None),
            ("an external link", lambda file: file.__setitem__("train", h5py.ExternalLink("/etc/passwd", "/"))),
            ("itself in it", lambda file: file.__setitem__("train", file["/"])),
            ("10^12 rows", _huge),
            ("text for numbers", lambda file: file.create_group("train").create_dataset("features", data=[b"a"])),
        )
    ),
    Case("a workspace full of pickles", (EXTRACT, (*EXTRACT, "--json"), RUNS), _prepared),
    Case("an empty folder of a run", (("run", "study.yaml", "--workspace", "W", "--json"), RUNS), _study),
]
