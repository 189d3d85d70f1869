"""Seconds and peak memory of `pipeline fit-head` (logistic, its usual path) against the number of training images.

The features are made up: 10 classes, about as far apart as those of pretrained networks, in a spectrum that falls as
theirs does, not negative, stored as float16. Each file is written block by block and deleted when it has been read.

    python -m benchmarks.many_rows FOLDER [--rows 10000,100000,1281167] [--width 2048] [--values 45]

The peak is the process's resident set, the pages of a mapped feature file among it; `beside_the_file` is without them.
Seconds and both are drawn in `results/figures/fit-head-many-rows.svg`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.hardware import RESULTS, earlier_today, write
from extract.features.layout import Layout, SplitRows, block_ranges
from extract.features.store import FeatureFile, FeatureWriter
from pipelines.report.charts import vega
from pipelines.report.page.render import write_chart

LIBRARIES = ("torch", "numpy", "h5py")
CLASSES, LATENT, BLOCK, TEST_ROWS = 10, 256, 8192, 10_000
SPEC = {
    "schema": 1,
    "backbone": "resnet50",
    "weights": {"source": "untrained", "sha256": "0" * 64, "seed": 0},
    "preprocessing": {"image_size": [224, 224]},
    "pool": "network",
    "layers": None,
    "views": "plain",
    "precision": "float32",
    "batch_size": 8,
    "storage": "float16",
}


def main() -> None:
    """Parses the command line, measures each number of rows, writes the result file after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", default="10000,100000,1281167")
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--values", type=int, default=45, help="values of C from 1e-6 to 1e5")
    given = parser.parse_args()
    results = earlier_today("many-rows", "results")
    for rows in (int(one) for one in given.rows.split(",")):
        path = given.folder / f"{rows}x{given.width}.h5"
        make(path, rows, width=given.width)
        results[str(rows)] = measured(path, given.folder / "workspace", values=given.values)
        print(rows, results[str(rows)], flush=True)
        path.unlink()
        content = {"threads": torch.get_num_threads(), "width": given.width, "classes": CLASSES, "results": results}
        print(write("many-rows", content, libraries=LIBRARIES), flush=True)
    draw(results, RESULTS / "figures" / "fit-head-many-rows.svg")


def make(path: Path, rows: int, *, width: int) -> None:
    """Writes a feature file of `rows` training and `TEST_ROWS` test rows of `width`, unless it is there."""
    if path.exists():
        return
    counts = {"train": rows, "test": TEST_ROWS}
    generator = torch.Generator().manual_seed(0)
    targets = {name: torch.randint(0, CLASSES, (count,), generator=generator) for name, count in counts.items()}
    spectrum = torch.linspace(0, -3, LATENT).exp()[:, None]
    mixing = torch.randn(LATENT, width, generator=generator) * spectrum / LATENT**0.5 * 3
    centers = torch.randn(CLASSES, LATENT, generator=generator) * 0.3
    layout = Layout(
        spec={**SPEC, "dataset": {"name": "synthetic", "digest": f"{rows}", **dict.fromkeys(MISSING)}},
        versions={},
        class_names=tuple(map(str, range(CLASSES))),
        skipped_ids=(),
        engine="eager",
        storage="float16",
        view_count=1,
        dimension=width,
        block_rows=BLOCK,
        splits={name: SplitRows(one.numpy(), tuple(map(str, range(len(one))))) for name, one in targets.items()},
    )
    with FeatureWriter(path, layout) as writer:
        for name, own in targets.items():
            for start, stop in block_ranges(len(own), BLOCK):
                latent = centers[own[start:stop]] + torch.randn(stop - start, LATENT, generator=generator)
                noise = torch.randn(stop - start, width, generator=generator)
                block = (latent @ mixing).add_(noise, alpha=0.3).relu_().half()
                writer.write(name, start, block[None].numpy())
        writer.finish()


MISSING = ("subset", "test_subset", "seed")


def measured(path: Path, workspace: Path, *, values: int) -> dict[str, Any]:
    """Seconds and memory of the command in a process of its own."""
    grid = ",".join(map(str, np.logspace(-6, 5, values)))
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "fit-head", "--features", str(path)]
    command += ["--workspace", str(workspace), "--c-grid", grid, "--json"]
    start = time.perf_counter()
    done = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ)
    resident = anonymous = 0
    process = psutil.Process(done.pid)
    while done.poll() is None:
        try:
            now = process.memory_info()
        except psutil.Error:
            break
        resident = max(resident, now.rss)
        anonymous = max(anonymous, now.rss - now.shared)
        time.sleep(0.02)
    answer = json.loads(done.communicate()[0])
    file = FeatureFile(path)
    features = file.shapes["train"][1] * file.dimension * 2
    return {
        "values_of_C": values,
        "seconds": time.perf_counter() - start,
        **{name: answer[name] for name in ("search_seconds", "fit_seconds", "evaluation_seconds", "converged")},
        "file_bytes": path.stat().st_size,
        "peak_bytes": resident,
        "beside_the_file_bytes": anonymous,
        "times_the_features": resident / features,
        "chosen": answer["chosen"],
        "test_accuracy": answer["test_accuracy"],
    }


def draw(results: dict[str, dict[str, Any]], path: Path) -> None:
    """Writes the seconds and the memory of `results`, by number of training images, as two charts side by side."""
    shown = {
        "Seconds": {"seconds": "all of fit-head"},
        "Memory in GB": {"peak_bytes": "all", "beside_the_file_bytes": "without the mapped file"},
    }
    panels = []
    for title, fields in shown.items():
        scale = 1e9 if "GB" in title else 1.0
        values = [
            {"rows": int(rows), "value": one[field] / scale, "what": what}
            for field, what in fields.items()
            for rows, one in results.items()
        ]
        channels = {
            "x": vega.number("rows", "Training images", log=[one["rows"] for one in values], axis_format="~s"),
            "y": vega.number("value", title, log=[one["value"] for one in values], axis_format="~g"),
            "color": {**vega.words("what"), "legend": {"title": None, "orient": "top"} if len(fields) > 1 else None},
        }
        panels.append({**vega.mark("line", values, {"point": True}, **channels), "width": 280, "height": 220})
    write_chart(path, {"hconcat": panels, "resolve": {"scale": {"color": "independent"}}})


if __name__ == "__main__":
    main()
