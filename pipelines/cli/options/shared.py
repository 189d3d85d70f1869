"""Options that several commands share, and what they turn into. Names are those of the spec's fields."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from extract.backbones.weights_preprocessing import INTERPOLATIONS
from extract.decoding.decode import MAX_PIXELS
from extract.runtime.devices import resolve_device
from pipelines.cli.terminal.process import own_heard, use_threads
from pipelines.cli.terminal.reporter import Reporter
from pipelines.specs import ExtractSpec, with_own_network
from pipelines.specs.data import home, with_data_dir
from pipelines.training import processes
from pipelines.workspace.context import Context

Command = Callable[..., Any]
TOGETHER = ("train", "finetune")  # the commands on which several processes may work together

COMMON = [
    click.option(
        "--workspace",
        type=click.Path(path_type=Path),
        default="workspace",
        envvar="PIPELINE_WORKSPACE",
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        help="Where everything that is computed is kept.",
    ),
    click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Where to compute."),
    click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of everything drawn."),
    click.option(
        "--threads",
        type=int,
        metavar="N",
        help="Processor threads.  [default: one a core; idle cores only for what trains in epochs]",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object to stdout."),
    click.option("--quiet", is_flag=True, help="No progress and no messages; errors stay."),
    click.option("--debug", is_flag=True, help="Show the traceback of a failure, and libraries' warnings."),
]
OWN = ("workspace", "device", "seed", "threads", "as_json", "quiet", "debug")  # the names of these
CIFAR10_DIR = "CIFAR10_DIR"  # where CIFAR-10 alone is, for every command that reads it
DATA_DIR = click.option(
    "--data-dir",
    envvar="PIPELINE_DATA",
    show_envvar=True,
    metavar="DIR",
    help=f"Directory of the built-in data sets; {CIFAR10_DIR} names that of CIFAR-10 alone.  "
    "[default: data/ in the workspace]",
)
DATA = [
    click.option(
        "--dataset",
        metavar="cifar10|cifar100|digits|DIR",
        help="A known data set, or a folder of class folders.  [default: cifar10]",
    ),
    DATA_DIR,
]
PREPROCESSING = [
    click.option(
        "--mean",
        metavar="R,G,B",
        help="Mean of the pixels, 0 to 1, for the weights.  [default: the weights' own]",
    ),
    click.option("--std", metavar="R,G,B", help="Standard deviation of the pixels.  [default: the weights' own]"),
    click.option(
        "--crop-pct", type=float, metavar="X", help="Center crop as a share of the image.  [default: the weights' own]"
    ),
    click.option(
        "--interpolation", metavar="|".join(INTERPOLATIONS), help="Resizing filter.  [default: the weights' own]"
    ),
]
WEIGHTS_METAVAR = "pretrained|packaged|untrained|FILE[#SET]|RUN"
EXTRACTION = [
    click.option("--backbone", metavar="NAME", help="Any timm architecture.  [default: resnet50]"),
    click.option(
        "--weights",
        metavar=WEIGHTS_METAVAR,
        help="Where its weights come from; #SET takes another set of a file's tensors (averaged ones, EMA, go first, "
        "as in timm).  [default: pretrained]",
    ),
    *DATA,
    click.option("--image-size", type=int, metavar="N", help="Pixels of a side.  [default: the backbone's own]"),
    *PREPROCESSING,
    click.option("--pool", metavar="network|avg|max|avgmax", help="How maps become one embedding.  [default: network]"),
    click.option("--layers", metavar="I,J,...", help="Stages to take, e.g. -2,-1.  [default: the last]"),
    click.option("--views", metavar="plain|flip", help="Also embed the mirrored image.  [default: plain]"),
    click.option("--subset", type=int, metavar="N", help="N training images, stratified and seeded."),
    click.option("--test-subset", type=int, metavar="M", help="M test images, stratified and seeded."),
    click.option("--storage", metavar="float16|float32", help="Type in the file.  [default: float16]"),
    click.option(
        "--precision", metavar="auto|float32|bfloat16|float16", help="Arithmetic of the network.  [default: auto]"
    ),
    click.option("--batch-size", metavar="auto|N", help="Images a step.  [default: auto]"),
    click.option("--on-bad-image", metavar="error|skip", help="What an unreadable image does.  [default: error]"),
    click.option("--max-pixels", type=int, metavar="N", help=f"Most pixels of one image.  [default: {MAX_PIXELS}]"),
]


def common(command: Command) -> Command:
    """Adds the options of every command and passes them on as one `run: Run`."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> Any:
        own = {name: options.pop(name) for name in OWN}
        options = _at_home(options)
        given = _at_home(own | _given_to_group(own))
        if given["threads"] is not None:
            use_threads(given["threads"])
        with processes.meant(click.get_current_context().info_name in TOGETHER):
            reporter = Reporter(as_json=given["as_json"], quiet=given["quiet"], silent=processes.rank() > 0)
            with reporter, own_heard(reporter.notice):
                return command(run=Run(given["workspace"], given["device"], given["seed"], reporter), **options)

    return _decorated(wrapped, COMMON)


def extraction(command: Command) -> Command:
    """Adds the options that describe a feature file; those not given arrive as None."""
    return _decorated(command, EXTRACTION)


class Run:
    """The common options of one invocation."""

    def __init__(self, workspace: Path, device: str, seed: int, reporter: Reporter) -> None:
        self.workspace, self.seed, self.reporter = workspace, seed, reporter
        self.device = resolve_device(device)

    def context(self) -> Context:
        """The context of a stage: its progress goes to the reporter."""
        reporter = self.reporter
        return Context(
            self.workspace,
            self.device,
            progress=reporter.progress,
            notice=reporter.notice,
            estimated=reporter.estimated,
            status=reporter.status,
            doing=reporter.doing,
            job=reporter.job,
            told=reporter.told(),
        )

    def extract_spec(self, given: dict[str, Any]) -> ExtractSpec:
        """The spec of the extraction options that were given; the others keep the spec's defaults.

        With weights of an own run the backbone is the network that the run trained.
        """
        asked = with_data_dir({name: value for name, value in given.items() if value is not None}, data_dirs())
        return ExtractSpec(**with_own_network("backbone", asked, self.workspace), seed=self.seed)


def data_dirs() -> dict[str, str]:
    """Where built-in data sets are that no `--data-dir` says: of CIFAR-10, what the environment says."""
    place = os.environ.get(CIFAR10_DIR)
    return {"cifar10": place} if place else {}


def _at_home(value: Any) -> Any:
    """Options with every path that begins with ~ in the user's folder, as a shell writes it."""
    if isinstance(value, Path):
        return Path(home(str(value)))
    if isinstance(value, dict):
        return {name: _at_home(one) for name, one in value.items()}
    return tuple(map(_at_home, value)) if isinstance(value, tuple) else value


def _given_to_group(own: dict[str, Any]) -> dict[str, Any]:
    """Those of the options `own` that were written before the sub-command, for its group, and not after it again.

    The sub-command has them too, each with its default, which must not win over what was written.
    """
    context = click.get_current_context()
    if context.parent is None:
        return {}
    return {
        name: context.parent.params[name]
        for name in own
        if _is_written(context.parent, name) and not _is_written(context, name)
    }


def _is_written(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is ParameterSource.COMMANDLINE


def _decorated(command: Command, options: list[Any]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
