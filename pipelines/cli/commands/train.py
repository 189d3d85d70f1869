"""`pipeline train` and `pipeline finetune`: a network, from scratch or from weights."""

import functools
from pathlib import Path
from typing import Any

import click

from extract.errors import InvalidInputError
from extract.runtime.formats import duration, plural
from pipelines.cli.options import shared
from pipelines.cli.options.declared import Command, HeadedOption, command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.scores import by_class, scores
from pipelines.cli.terminal.table import facts
from pipelines.specs import NetworkSpec
from pipelines.specs.network import STARTS


def watched(command: Command) -> Command:
    """Adds the options that look at a training, or at its learning rates instead."""
    option, path = functools.partial(click.option, cls=HeadedOption, heading="Output"), click.Path(path_type=Path)
    for add in (
        option(
            "--plot", type=path, metavar="FILE", help="Also draw the learning-rate range test: .svg, .png or .html."
        ),
        option("--find-learning-rate", is_flag=True, help="Learning-rate range test only; keeps no run."),
        option(
            "--tensorboard",
            type=path,
            metavar="DIR",
            help="Also write TensorBoard logs; with --refit in subfolders chosen and refit.",
        ),
    ):
        command = add(command)
    return command


@command("train")
@declared(NetworkSpec, but=STARTS)
@watched
@shared.positional
@shared.common
def train_command(run: shared.Invocation, options: Values, **watching: Any) -> None:
    """Train a network from scratch by a recipe, and score it once on the test split.

    A recipe is a named set of the options below it; each can be set by itself. Interrupted (Ctrl-C, SIGTERM) or
    killed, the same command goes on where it stopped, and the result is that of an uninterrupted training: on a
    processor to the bit, on a GPU within rounding.
    """
    _answer(run, run.spec(NetworkSpec, options), **watching)


@command("finetune")
@declared(NetworkSpec)
@watched
@shared.positional
@shared.common
def finetune_command(run: shared.Invocation, options: Values, **watching: Any) -> None:
    """Train a pretrained network further, and score it once on the test split.

    Mode head-first fits the logistic head on the frozen network's features, makes it the last layer, then
    trains everything gently; frozen stops before the training. RUN is the name of an own run.
    """
    from pipelines.studies.jobs import mode_of

    _answer(run, run.spec(NetworkSpec, {**options, "mode": mode_of("finetune", options)}), **watching)


def _answer(
    run: shared.Invocation, spec: NetworkSpec, *, tensorboard: Path | None, find_learning_rate: bool, plot: Path | None
) -> None:
    if tensorboard is not None and find_learning_rate:
        raise InvalidInputError("tensorboard must be left out with --find-learning-rate, which trains no network.")
    if tensorboard is not None and spec.mode == "frozen":
        raise InvalidInputError(
            "tensorboard must be left out in mode frozen, which fits a head and has no epochs to show."
        )
    if plot is not None and not find_learning_rate:
        raise InvalidInputError(
            "plot must come with --find-learning-rate, whose figure it is. Add that, or leave it out."
        )
    if find_learning_rate:
        _test_learning_rates(run, spec, plot)
    else:
        _train(run, spec, tensorboard)


def _test_learning_rates(run: shared.Invocation, spec: NetworkSpec, plot: Path | None) -> None:
    from pipelines.report.charts import curves
    from pipelines.tasks import lr_range_test

    if plot is not None:
        curves.check(plot, curves.OF_RANGE_TEST)
    found = {**lr_range_test.find(spec, run.context()), "plot": None if plot is None else str(plot)}
    if plot is not None:
        rates, losses, suggested = (found[name] for name in ("rates", "losses", "suggested_learning_rate"))
        curves.write_range_test(plot, rates=rates, losses=losses, suggested=suggested)
    lines = facts(
        {
            "suggested rate": f"{found['suggested_learning_rate']:.2g}  (where the loss falls fastest)",
            "recipe's rate": f"{found['recipe_learning_rate']:.2g}",
            "figure": found["plot"],
            "saved to": found["path"],
        }
    )
    run.reporter.result(found, lines)


def _train(run: shared.Invocation, spec: NetworkSpec, tensorboard: Path | None) -> None:
    from pipelines.tasks.table import answer_of
    from pipelines.tasks.train import train

    found = train(spec, run.context(), tensorboard=tensorboard)
    if found.cached and tensorboard is not None:
        run.reporter.notice("the network was there already: nothing new for TensorBoard")
    values = answer_of(found)
    run.reporter.result(values, _text(values))


def _text(answer: Values) -> list[str]:
    time = f"training {duration(answer['train_seconds'])}, {plural(answer['epochs_run'], 'epoch')}, "
    time += f"{answer['images_per_second']:.0f} images per second" + (" (from the cache)" if answer["cached"] else "")
    return [
        f"{answer['name']}, {answer['parameters']:,} parameters, {answer['flops'] / 1e6:,.0f} MFLOPs per image",
        *facts({**scores(answer, views=answer.get("tta", "")), "time": time, "saved to": answer["path"]}),
        *by_class(answer),
    ]
