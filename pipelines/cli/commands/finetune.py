"""`pipeline finetune`: a whole network, from weights."""

from pathlib import Path
from typing import Any

import click

from pipelines.cli.commands.train import answer
from pipelines.cli.options import network_options, shared


@click.command("finetune")
@network_options.network(tuning=True)
@network_options.watching
@network_options.positional
@shared.common
def finetune_command(
    run: shared.Run, given: dict[str, Any], tensorboard: Path | None, find_learning_rate: bool, plot: Path | None
) -> None:
    """Train a pretrained network further, and score it once on the test split.

    Mode head-first fits the logistic head on the frozen network's features, makes it the last layer, then
    trains everything gently; frozen stops before the training. RUN is the name of an own run.
    """
    spec = network_options.tuned(run, {"mode": "full", **given})
    answer(run, spec, tensorboard, find_learning_rate=find_learning_rate, plot=plot)
