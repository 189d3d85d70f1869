"""`pipeline train`: a whole network, from scratch."""

from typing import Any

import click

from pipelines.cli import network_options, options
from pipelines.cli.show import duration


@click.command("train")
@network_options.network(tuning=False)
@options.common
def train_command(run: options.Run, given: dict[str, Any]) -> None:
    """Train a network from scratch by a recipe, and score it once on the test split.

    A recipe is a named set of the options below it; each can be given one by one. Interrupted (Ctrl-C, SIGTERM)
    or killed, the same command goes on where it stopped, and the result is the same to the bit.
    """
    from pipelines import stages

    record = stages.train(network_options.spec(run, given), run.context())
    show(run, record)


def show(run: options.Run, record: dict[str, Any]) -> None:
    """Prints the answer of a training."""
    answer = {key: value for key, value in record.items() if key != "files"}
    run.reporter.result(answer, _text(answer))


def _text(answer: dict[str, Any]) -> str:
    low, high = answer["test_interval"]
    held_out, averaged = answer["validation_accuracy"], answer["test_tta_accuracy"]
    lines = [
        f"{answer['name']}, {answer['parameters']:,} parameters, {answer['flops'] / 1e6:,.0f} MFLOP an image",
        "held-out accuracy   " + ("none held out" if held_out is None else f"{held_out:.2%}"),
        f"test accuracy       {answer['test_accuracy']:.2%}  (95 % interval {low:.2%} to {high:.2%}, "
        f"{answer['test_rows']} images)",
        f"log loss            {answer['log_loss']:.4f}   calibration error {answer['calibration_error']:.4f}",
        f"seconds             training {duration(answer['train_seconds'])}, {answer['epochs_run']} epochs, "
        f"{answer['images_per_second']:.0f} images a second" + (" (from the cache)" if answer["cached"] else ""),
        f"kept in             {answer['path']}",
    ]
    if averaged is not None:
        lines.insert(3, f"averaged views      {averaged:.2%}  ({answer['tta']})")
    return "\n".join(lines)
