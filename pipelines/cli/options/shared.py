"""Options that several commands share, and what they turn into. Names are those of the spec's fields."""

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from extract.errors import InvalidInputError
from extract.runtime.devices import resolve_device
from pipelines.cli.options.declared import COMMON, Command, HeadedOption
from pipelines.cli.terminal.process import own_heard, use_threads
from pipelines.cli.terminal.reporter import Reporter, Values
from pipelines.specs import with_own_network
from pipelines.specs.data import CIFAR10_DIR, DataSpec, home, with_data_dir
from pipelines.specs.engine import EngineSpec
from pipelines.specs.spec import Spec
from pipelines.training import processes
from pipelines.workspace.context import Context

AnySpec = TypeVar("AnySpec", bound=Spec)
_common = functools.partial(click.option, cls=HeadedOption, heading=COMMON)
TOGETHER = ("train", "finetune")  # the commands on which several processes may work together

OPTIONS = {
    "workspace": _common(
        "--workspace",
        type=click.Path(path_type=Path),
        default="workspace",
        envvar="PIPELINE_WORKSPACE",
        show_default=True,
        show_envvar=True,
        metavar="DIR",
        help="Directory of all results.",
    ),
    "device": _common(
        "--device", default="auto", show_default=True, metavar="auto|cpu|cuda[:N]", help="Device to compute on."
    ),
    "seed": _common("--seed", type=int, default=0, show_default=True, metavar="N", help="Random seed."),
    "threads": _common(
        "--threads",
        type=int,
        metavar="N",
        help="Processor threads.  [default: one per core; idle cores only for what trains in epochs]",
    ),
    "as_json": _common("--json", "as_json", is_flag=True, help="Print exactly one JSON object to stdout."),
    "quiet": _common("--quiet", is_flag=True, help="No progress and no messages; errors stay."),
    "debug": _common("--debug", is_flag=True, help="Show the traceback of a failure, and libraries' warnings."),
}
ALWAYS = ("as_json", "quiet", "debug")
COMPUTING = ("workspace", "device", "seed", "threads")


def taking(*names: str) -> Callable[[Command], Command]:
    """Adds those of the options of `COMPUTING` that act in a command, and those that all have.

    They are passed on as one `run: Invocation`.
    """
    own = [name for name in OPTIONS if name in (*names, *ALWAYS)]

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def wrapped(**options: object) -> object:
            written = {name: options.pop(name) for name in own}
            mine: Values = {name: _at_home(one) for name, one in {**written, **_set_on_group(own)}.items()}
            options = {name: _at_home(one) for name, one in options.items()}
            if mine.get("threads") is not None:
                use_threads(mine["threads"])
            with processes.torchrun_group(click.get_current_context().info_name in TOGETHER):
                reporter = Reporter(as_json=mine["as_json"], quiet=mine["quiet"], silent=processes.rank() > 0)
                with reporter, own_heard(reporter.notice):
                    invocation = Invocation(reporter, **{name: mine[name] for name in names if name != "threads"})
                    return command(run=invocation, **options)

        for name in reversed(own):
            wrapped = OPTIONS[name](wrapped)
        return wrapped

    return decorate


common = taking(*COMPUTING)  # the options of a command that computes


class Invocation:
    """The common options of one invocation; those that its command does not take have no meaning there."""

    def __init__(self, reporter: Reporter, *, workspace: Path = Path(), device: str = "cpu", seed: int = 0) -> None:
        if os.path.lexists(workspace) and not workspace.is_dir():
            what = "file" if workspace.exists() else "link that leads nowhere"
            raise InvalidInputError(f"workspace must be a directory; got the {what} {str(workspace)!r}. Name another.")
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
            notices=reporter.notices(),
        )

    def devices(self, engine: EngineSpec) -> tuple[str, ...]:
        """What jobs may lease: the device that was named; for "auto" every GPU here, or each worker's own elsewhere."""
        if click.get_current_context().params["device"] != "auto":
            return (self.device,)
        from pipelines.studies.worker import own_devices

        return () if engine.is_remote else own_devices()

    def spec(self, kind: type[AnySpec], options: Values) -> AnySpec:
        """The spec with those of the `options` that it has; the others keep its defaults.

        With weights of an own run the network is the one that the run trained.
        """
        own = {name: value for name, value in options.items() if name in kind.declared()}
        if issubclass(kind, DataSpec):
            own = with_own_network(kind.NETWORK, with_data_dir(own, data_dirs()), self.workspace)
        return kind.of({**own, "seed": self.seed})


def positional(command: Command) -> Command:
    """Adds the network as an argument, beside `--network`: `pipeline train resnet20`. The command gets `network`."""

    @functools.wraps(command)
    def wrapped(named: str | None, **values: Any) -> object:
        into = values if "network" in values else values["options"]
        flag = into.get("network")
        if named is not None and flag not in (None, named):
            raise InvalidInputError(f"network must be named once; got {named!r} and --network {flag}. Leave one out.")
        if named is not None:
            into["network"] = named
        return command(**values)

    return click.argument("named", metavar="[NETWORK]", required=False)(wrapped)


def data_dirs() -> dict[str, str]:
    """Directories of built-in data sets without `--data-dir`: of CIFAR-10, the environment's."""
    place = os.environ.get(CIFAR10_DIR)
    return {"cifar10": place} if place else {}


def _at_home(value: object) -> object:
    """Options with every path that begins with ~ in the user's folder, as a shell writes it."""
    if isinstance(value, Path):
        return Path(home(str(value)))
    if isinstance(value, dict):
        return {name: _at_home(one) for name, one in value.items()}
    return tuple(map(_at_home, value)) if isinstance(value, tuple) else value


def _set_on_group(own: Iterable[str]) -> Values:
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


def is_written(*options: str) -> bool:
    """Whether one of the options stands on the command line."""
    context = click.get_current_context()
    return any(_is_written(context, one) for one in options)


def _is_written(context: click.Context, option: str) -> bool:
    return context.get_parameter_source(option) is ParameterSource.COMMANDLINE
