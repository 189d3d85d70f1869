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
from pipelines.report.overview import comparison, tradeoff
from pipelines.report.page import render
from pipelines.report.study.results import PHASES, parse
from pipelines.report.study.rows import rows
from pipelines.report.study.study import Study

SHOWN = {"accuracy-1": "cifar10-accuracy", "accuracy-against-bytes-1": "cifar10-accuracy-against-bytes"}
TEST_IMAGES = 10_000


def main() -> None:
    """Parses the command line and writes the figures as SVG."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--output", type=Path, default=RESULTS / "figures")
    given = parser.parse_args()
    for path in draw([row for file in given.runs for row in json.loads(file.read_text())["runs"]], given.output):
        print(path)


def draw(flat: list[Mapping[str, Any]], folder: Path) -> list[Path]:
    """The paths of the SVG files written into `folder` from flat rows of runs."""
    results = [parse(_record(row))[0] for row in flat if row["dataset"] == "cifar10" and row["subset"] is None]
    study = Study(folder, rows(results), [])
    sections = [comparison.section(study), tradeoff.section(study)]
    figures = [one for section in sections for one in section.figures() if one.name in SHOWN]
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with TemporaryDirectory() as place:
        render.write_figures(figures, Path(place), progress=lambda done, total: None)
        for figure in figures:
            paths.append(folder / f"{SHOWN[figure.name]}.svg")
            paths[-1].write_text((Path(place) / f"{figure.name}.svg").read_text())
    return paths


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a run's record that its flat row holds."""
    seconds = {phase: row[f"{phase}_seconds"] for phase in PHASES if row[f"{phase}_seconds"] is not None}
    test = {
        "rows": TEST_IMAGES,
        "accuracy": row["test_accuracy"],
        "interval": [row["interval_low"], row["interval_high"]],
        "log_loss": row["log_loss"],
        "calibration_error": row["calibration_error"],
    }
    return {
        **{name: row[name] for name in row if name not in ("dataset", "options")},
        "dataset": {"name": row["dataset"], "subset": row["subset"]},
        "key": row["options"],
        "seconds": seconds,
        "test": test,
    }


if __name__ == "__main__":
    main()
