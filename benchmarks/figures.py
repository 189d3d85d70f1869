"""The figures of the README, drawn by the report's own charts from the rows of runs files.

A runs file holds what `pipeline runs --json` says of each run (and its options), so the figures can be drawn again
without the workspace that the runs were made in. Only runs on the whole of CIFAR-10 are shown.

    python -m benchmarks.figures benchmarks/results/runs-*.json
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.hardware import RESULTS
from pipelines.report.page import render
from pipelines.report.sections import comparison, tradeoff
from pipelines.report.study.rows import rows
from pipelines.report.study.study import Study
from pipelines.workspace import records
from pipelines.workspace.schema import PHASES, DoneRecord

SHOWN = {"accuracy-1": "cifar10-accuracy", "accuracy-against-bytes-1": "cifar10-accuracy-against-bytes"}
TEST_IMAGES = 10_000


def main() -> None:
    """Parses the command line and writes the figures as SVG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=RESULTS / "figures")
    arguments = parser.parse_args()
    for path in draw(
        [row for file in arguments.runs for row in json.loads(file.read_text())["runs"]], arguments.output
    ):
        print(path)


def draw(flat: list[Mapping[str, Any]], folder: Path) -> list[Path]:
    """The paths of the SVG files written into `folder` from flat rows of runs."""
    whole = [row for row in flat if row["dataset"] == "cifar10" and not (row["subset"] or row.get("classes"))]
    results = [_record(row) for row in whole]
    study = Study(folder, rows(results, interval=lambda of_row: of_row[0].test.interval), [])
    sections = [comparison.section(study), tradeoff.trade_offs(study)]
    figures = [one for section in sections for one in section.figures() if one.name in SHOWN]
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with TemporaryDirectory() as place:
        for figure in figures:  # one at a time, for a file is named by its title
            drawn, problems = render.write_figures([figure], Path(place), progress=lambda done, total: None)
            assert not problems, problems
            paths.append(folder / f"{SHOWN[figure.name]}.svg")
            paths[-1].write_text(next(one for one in drawn if one.suffix == ".svg").read_text())
    return paths


def _record(row: Mapping[str, Any]) -> DoneRecord:
    """A record with what the flat row of a run holds, and nothing where it says nothing."""
    unknown = {"top5": None, "calibration_limit": None, "per_class": [], "confusion": []}
    test = {
        "rows": TEST_IMAGES,
        "accuracy": row["test_accuracy"],
        "interval": [row["interval_low"], row["interval_high"]],
        **{name: row[name] for name in ("log_loss", "calibration_error")},
        **unknown,
    }
    validation = row["validation_accuracy"]
    named = ("run", "created", "kind", "mode", "name", "architecture", "weights", "head", "image_size", "seed")
    found = records.made(
        {
            **{name: row[name] for name in named},
            **{name: row[name] or 0 for name in ("parameters", "flops", "bytes")},
            "dataset": {"name": row["dataset"], "subset": row["subset"]},
            "key": row["options"],
            "seconds": {phase: row[f"{phase}_seconds"] for phase in PHASES},
            "test": test,
            "validation": None if validation is None else {**test, "accuracy": validation},
            "training": {"rows": 0, "accuracy": 0.0, "kept_accuracy": 0.0},
            "choice": {"training_rows": 0, "validation_rows": 0},
            **{name: {} for name in ("chosen", "curves", "files")},
            "class_names": [],
            "temperature": None,
        }
    )
    assert isinstance(found, DoneRecord)
    return found


if __name__ == "__main__":
    main()
