"""The options of `pipeline train` and `finetune`: those of the spec, of every recipe, and of architectures."""

import functools
import types
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click

from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError
from extract.runtime.options import options_of
from finetune.architectures.options import NORMS, STEMS, Options
from finetune.recipes import RECIPES, Recipe
from pipelines.cli.options.shared import DATA, PREPROCESSING, WEIGHTS_METAVAR, Run, data_dirs
from pipelines.specs import NetworkSpec, with_own_network
from pipelines.specs.data import with_data_dir

Command = Callable[..., Any]
VALUES = {
    **{name: one.choices for name, one in options_of(Recipe).items() if one.choices},
    "norm": NORMS,
    "stem": STEMS,
}
LETTERS = {int: "N", float: "X"}

HELP = {
    **{name: one.help for name, one in options_of(Recipe).items()},
    "depth": "Layers, in place of the number in the name.",
    "width": "Multiplier of the channels.",
    "growth_rate": "Channels that each layer of a DenseNet adds.",
    "dropout": "Rate before the classifier (DenseNet: after every layer).",
    "drop_path": "Rate of stochastic depth at the last block.",
    "norm": "Normalization layers.",
    "stem": "First layers; auto is that of the weights, from scratch cifar up to 64 pixels.",
}

SUBJECT = [
    click.option(
        "--network",
        metavar="NAME",
        help="One of the four families, or any timm name.  [default: the recipe's, else resnet18]",
    ),
    click.option("--recipe", metavar="|".join(RECIPES), help="A named set of the options below."),
    *DATA,
    click.option("--image-size", type=int, metavar="N", help="Pixels of a side.  [default: the images' own]"),
    click.option("--subset", type=int, metavar="N", help="N training images, stratified and seeded."),
    click.option("--test-subset", type=int, metavar="M", help="M test images, stratified and seeded."),
    click.option(
        "--validation",
        metavar="SHARE|N|none",
        help="Validation split: a share of the training images, a number of them, or none.  [default: none]",
    ),
    click.option(
        "--refit", is_flag=True, help="Then train on the whole split, by the same schedule, up to the best epoch."
    ),
    click.option("--on-bad-image", metavar="error|skip", help="What an unreadable image does.  [default: error]"),
    click.option("--max-pixels", type=int, metavar="N", help=f"Most pixels of one image.  [default: {MAX_PIXELS}]"),
]
TUNING = [
    click.option(
        "--weights",
        metavar=WEIGHTS_METAVAR,
        help="Where the weights come from; #SET takes another set of a file's tensors (averaged ones, EMA, go first, "
        "as in timm).  [default: pretrained]",
    ),
    click.option(
        "--mode",
        metavar="full|head-first|partial:K|frozen",
        help="What is trained: all; all from a fitted head; the last K stages; nothing but that head.  [default: full]",
    ),
    *PREPROCESSING,
]


def network(*, tuning: bool) -> Callable[[Command], Command]:
    """Adds the options of a network, those that start from weights too if `tuning`, and passes on the given ones.

    They arrive as one `given: dict`, named as the fields of `NetworkSpec`.
    """
    options = [*SUBJECT, *(TUNING if tuning else []), *_generated(Recipe), *_generated(Options)]
    names = {one.name for one in fields(NetworkSpec)} - {"seed"}

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**values: Any) -> Any:
            given = {name: values.pop(name) for name in list(values) if name in names}
            return command(given={name: one for name, one in given.items() if one is not None}, **values)

        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def positional(command: Command) -> Command:
    """Adds the network as an argument, beside `--network`: `pipeline train resnet20`. The command gets `network`."""

    @functools.wraps(command)
    def wrapped(named: str | None, **values: Any) -> Any:
        into = values.get("given", values)
        flag = into.get("network")
        if named is not None and flag not in (None, named):
            raise InvalidInputError(f"network must be named once; got {named!r} and --network {flag}. Leave one out.")
        if named is not None:
            into["network"] = named
        return command(**values)

    return click.argument("named", metavar="[NETWORK]", required=False)(wrapped)


def watching(command: Command) -> Command:
    """Adds the options that look at a training, or at its learning rates instead."""
    options = [
        click.option(
            "--tensorboard",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Also write its files; with --refit in subfolders chosen and refit.",
        ),
        click.option("--find-learning-rate", is_flag=True, help="Only test rising learning rates; keep nothing."),
        click.option(
            "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Figure of that test: .svg, .png or .html."
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def spec(run: Run, given: dict[str, Any]) -> NetworkSpec:
    """The spec of the options that were given; the others keep the spec's defaults."""
    return NetworkSpec(**with_data_dir(given, data_dirs()), seed=run.seed)


def tuned(run: Run, given: dict[str, Any]) -> NetworkSpec:
    """The same for a fine-tuning: weights of an own run are of the network that the run trained."""
    return spec(run, with_own_network("network", given, run.workspace))


def _generated(source: Any) -> list[Any]:
    """One option for every field of a dataclass, None when it is not given."""
    return [_option(one.name, one.type) for one in fields(source)]


def _option(name: str, annotation: Any) -> Any:
    kinds = [kind for kind in get_args(annotation) if kind is not types.NoneType] or [annotation]
    flag, kind = f"--{name.replace('_', '-')}", kinds[0]
    if kind is bool:
        return click.option(f"{flag}/--no-{name.replace('_', '-')}", default=None, help=HELP[name])
    metavar = "|".join(VALUES[name]) if name in VALUES else LETTERS.get(kind, "TEXT")
    return click.option(flag, type=kind, default=None, metavar=metavar, help=HELP[name])
