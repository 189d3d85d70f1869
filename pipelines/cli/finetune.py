"""`pipeline finetune`: a whole network, from weights."""

from typing import Any

import click

from pipelines.cli import network_options, options
from pipelines.cli.train import show


@click.command("finetune")
@network_options.network(tuning=True)
@options.common
def finetune_command(run: options.Run, given: dict[str, Any]) -> None:
    """Train a pretrained network further, and score it once on the test split.

    Mode head-first fits the logistic head on the frozen network's features, makes it the last layer, then
    trains everything gently; frozen stops before the training. RUN is the name of an own run.
    """
    from pipelines import stages

    record = stages.train(network_options.spec(run, {"mode": "full", **given}), run.context())
    show(run, record)
