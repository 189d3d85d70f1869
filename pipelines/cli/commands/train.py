"""`pipeline train`: a whole network, from scratch."""

from pathlib import Path
from typing import Any

import click

from extract.errors import InvalidInputError
from pipelines.cli.options import network_options, shared
from pipelines.cli.terminal.show import calibration, duration, percent, training_line
from pipelines.report.page.text import plural
from pipelines.specs import NetworkSpec


@click.command("train")
@network_options.network(tuning=False)
@network_options.watching
@network_options.positional
@shared.common
def train_command(
    run: shared.Run, given: dict[str, Any], tensorboard: Path | None, find_learning_rate: bool, plot: Path | None
) -> None:
    """Train a network from scratch by a recipe, and score it once on the test split.

    A recipe is a named set of the options below it; each can be given one by one. TrainingInterruptedError (Ctrl-C,
    SIGTERM) or killed, the same command goes on where it stopped, and the result is that of an uninterrupted training:
    on a processor to the bit, on a GPU within rounding.
    """
    answer(run, network_options.spec(run, given), tensorboard, find_learning_rate=find_learning_rate, plot=plot)


def answer(
    run: shared.Run, spec: NetworkSpec, tensorboard: Path | None, *, find_learning_rate: bool, plot: Path | None
) -> None:
    """Trains and prints, or tests learning rates and prints."""
    if plot is not None and not find_learning_rate:
        raise InvalidInputError(
            "plot must come with --find-learning-rate, whose figure it is. Add that, or leave it out."
        )
    if find_learning_rate:
        if tensorboard is not None:
            raise InvalidInputError("tensorboard must be left out with --find-learning-rate, which keeps nothing.")
        from pipelines.tasks import lr_range_test

        found = lr_range_test.find(spec, run.context(), plot=plot)
        run.reporter.result(found, _found(found))
        return
    if tensorboard is not None and spec.mode == "frozen":
        raise InvalidInputError(
            "tensorboard must be left out in mode frozen, which fits a head and has no epochs to show."
        )
    from pipelines.tasks import stages

    record = stages.train(spec, run.context(), tensorboard=tensorboard)
    if record["cached"] and tensorboard is not None:
        run.reporter.notice("the network was there already: nothing new for TensorBoard")
    values = {key: value for key, value in record.items() if key != "files"}
    run.reporter.result(values, _text(values))


def _found(answer: dict[str, Any]) -> list[str]:
    lines = [
        f"suggested rate      {answer['suggested_learning_rate']:.2g}  (where the loss falls fastest)",
        f"recipe's rate       {answer['recipe_learning_rate']:.2g}",
    ]
    return lines if answer["plot"] is None else [*lines, f"figure              {answer['plot']}"]


def _text(answer: dict[str, Any]) -> list[str]:
    low, high = answer["test_interval"]
    epochs = plural(answer["epochs_run"], "epoch")
    validation_split, averaged = answer["validation_accuracy"], answer["test_tta_accuracy"]
    lines = [
        f"{answer['name']}, {answer['parameters']:,} parameters, {answer['flops'] / 1e6:,.0f} MFLOPs per image",
        training_line(answer),
        "validation accuracy " + ("no validation images" if validation_split is None else percent(validation_split)),
        f"test accuracy       {percent(answer['test_accuracy'])}  (95 % interval {percent(low)} to {percent(high)}, "
        f"{answer['test_rows']} images)",
        *calibration(answer),
        f"time                training {duration(answer['train_seconds'])}, {epochs}, "
        f"{answer['images_per_second']:.0f} images per second" + (" (from the cache)" if answer["cached"] else ""),
        f"saved to            {answer['path']}",
    ]
    if averaged is not None:
        lines.insert(4, f"averaged views      {percent(averaged)}  ({answer['tta']})")
    return lines
