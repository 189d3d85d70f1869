"""`pipeline demo`: a small tour that needs no network, on real images."""

import os
from pathlib import Path
from typing import Any

import click

from extract.errors import InvalidInput
from pipelines.cli import options
from pipelines.cli.show import duration, table

BACKBONE = "tf_efficientnet_lite0"


@click.command("demo")
@click.option(
    "--data-dir",
    envvar=["PIPELINE_DATA", "CIFAR10_DIR"],
    show_envvar=True,
    metavar="DIR",
    help="Where CIFAR-10 is; without it the demo runs on scikit-learn's digits.",
)
@options.common
def demo_command(run: options.Run, data_dir: str | None) -> None:
    """Extract features, fit a head, print a small table.

    A packaged backbone on scikit-learn's digits; where CIFAR-10 is found, also on 4,000 of its images.
    """
    from pipelines import stages
    from pipelines.specs import ExtractSpec, HeadSpec

    specs = [ExtractSpec(backbone=BACKBONE, weights="packaged", dataset="digits", image_size=128, seed=run.seed)]
    place = _cifar(run, data_dir)
    if place is None:
        run.reporter.notice("CIFAR-10 was not found (name its directory with --data-dir): the tour is on digits only")
    else:
        specs.append(
            ExtractSpec(
                backbone=BACKBONE,
                weights="packaged",
                dataset="cifar10",
                data_dir=str(place),
                image_size=128,
                subset=3000,
                test_subset=1000,
                seed=run.seed,
            )
        )
    results = []
    for spec in specs:
        features = stages.extract(spec, run.context())
        record = stages.fit_head(HeadSpec(seed=run.seed), run.context(), features_path=Path(features["path"]))
        results.append(
            {
                **{key: value for key, value in record.items() if key != "files"},
                "dataset": spec.dataset,
                "backbone": spec.backbone,
                "extraction_seconds": features["seconds"],
                "rows": features["rows"],
                "cached": features["cached"] and record["cached"],
            }
        )
    run.reporter.result({"results": results}, _table(results))


def _cifar(run: options.Run, data_dir: str | None) -> Path | None:
    from extract.cifar import find

    beside = (run.workspace / "data", Path(os.pardir) / "shared" / "data")
    for place in (Path(data_dir),) if data_dir else beside:
        try:
            find("cifar10", place)
        except InvalidInput:
            continue
        return place
    return None


def _table(results: list[dict[str, Any]]) -> str:
    columns = [
        "data set",
        "backbone",
        "images",
        "extraction",
        "head",
        "search and fit",
        "held out",
        "test",
        "95 % interval",
    ]
    rows = [
        [
            one["dataset"],
            one["backbone"],
            str(one["rows"]),
            duration(one["extraction_seconds"]),
            one["head"],
            duration(one["search_seconds"] + one["fit_seconds"]),
            f"{one['validation_accuracy']:.1%}",
            f"{one['test_accuracy']:.1%}",
            "{:.1%} to {:.1%}".format(*one["test_interval"]),
        ]
        for one in results
    ]
    return table(columns, rows)
