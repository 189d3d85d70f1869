"""The options of `pipeline fit-head` that describe a head. Names are those of the spec's fields."""

import functools
from collections.abc import Callable
from typing import Any

import click

from pipelines.specs.head import KINDS

Command = Callable[..., Any]

HEAD = [
    click.option("--head", metavar="|".join(KINDS), help="The kind of head.  [default: logistic]"),
    click.option(
        "--validation",
        metavar="SHARE|N|none",
        help="Validation split: a share of the training images, a number of them, or none.  [default: 0.1]",
    ),
    click.option(
        "--criterion", metavar="auto|log_loss|accuracy", help="What is best there.  [default: what the head declares]"
    ),
    click.option("--c-grid", metavar="C,C,...", help="logistic: penalties to try.  [default: 45 from 1e-6 to 1e5]"),
    click.option("--solver", metavar="path|sklearn", help="logistic: who solves it.  [default: path]"),
    click.option("--sizes", metavar="N,NxM,...", help="mlp: hidden widths to try; x between the layers of one."),
    click.option("--learning-rates", metavar="R,R,...", help="linear, mlp: learning rates to try."),
    click.option("--weight-decays", metavar="D,D,...", help="linear, mlp: weight decays to try."),
    click.option("--optimizer", metavar="sgd|adam|adamw", help="linear, mlp: who takes the steps."),
    click.option("--schedule", metavar="NAME", help="linear, mlp: constant, step, cosine or one-cycle learning rate."),
    click.option("--warmup", type=float, metavar="SHARE", help="linear, mlp: share of the steps that warm up."),
    click.option("--epochs", type=int, metavar="N", help="linear, mlp: length of the schedule."),
    click.option("--patience", metavar="N|none", help="linear, mlp: epochs without a better one after which to stop."),
    click.option("--dropout", type=float, metavar="SHARE", help="mlp: hidden values left out at random."),
    click.option("--label-smoothing", type=float, metavar="SHARE", help="linear, mlp: share given to all classes."),
    click.option("--neighbors", "--k", "neighbors", metavar="K,K,...", help="knn: numbers of neighbors to try."),
    click.option("--temperatures", metavar="T,none,...", help="knn: temperatures to try; none: votes all alike."),
    click.option("--alpha-grid", "--penalties", "alpha_grid", metavar="A,A,...", help="ridge, kernel: penalties."),
    click.option("--bandwidths", metavar="B,B,...", help="kernel: bandwidths to try, in root mean square distances."),
    click.option("--metrics", metavar="cosine,euclidean", help="centroid: what is near."),
    click.option("--shrinkages", metavar="S,S,...", help="centroid: how far means move to that of all, to try."),
    click.option("--option", multiple=True, metavar="NAME=VALUE", help="Any other option of the head, as in Python."),
]
NAMES = (
    "head",
    "validation",
    "criterion",
    "c_grid",
    "solver",
    "sizes",
    "learning_rates",
    "weight_decays",
    "optimizer",
    "schedule",
    "warmup",
    "epochs",
    "patience",
    "dropout",
    "label_smoothing",
    "neighbors",
    "temperatures",
    "alpha_grid",
    "bandwidths",
    "metrics",
    "shrinkages",
    "option",
)


def head(command: Command) -> Command:
    """Adds the options of a head and passes those that were given on as one `head_options: dict`."""

    @functools.wraps(command)
    def wrapped(**given: Any) -> Any:
        options = {name: given.pop(name) for name in NAMES}
        return command(
            head_options={name: value for name, value in options.items() if value not in (None, ())}, **given
        )

    for option in reversed(HEAD):
        wrapped = option(wrapped)
    return wrapped
