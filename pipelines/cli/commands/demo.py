"""`pipeline demo`: the tour that needs no network, on real images."""

from pathlib import Path

from extract.errors import InvalidInputError
from pipelines.cli.commands.run import run_study
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs.data import DataSpec

WITH_CIFAR, WITHOUT = "cifar10-tour", "digits-tour"


@command("demo")
@declared(DataSpec, only=("data_dir",))
@shared.common
def demo_command(run: shared.Invocation, options: Values) -> None:
    """Extract, fit heads, fine-tune, train, search, report and slides: a few minutes, packaged weights.

    Runs the study cifar10-tour on 1,000 images of CIFAR-10 where they are found, else digits-tour on scikit-learn's
    digits.
    """
    place = _cifar(run.workspace, options.get("data_dir") or shared.data_dirs().get("cifar10"))
    if place is None:
        run.reporter.notice("CIFAR-10 was not found (name its directory with --data-dir): the tour is on digits")
    run_study(run, WITHOUT if place is None else WITH_CIFAR, {} if place is None else {"data_dir": str(place)})


def _cifar(workspace: Path, data_dir: str | None) -> Path | None:
    from extract.data.cifar import is_in

    if data_dir is not None and not is_in("cifar10", Path(data_dir)):
        raise InvalidInputError(
            f"data directory must hold CIFAR-10; got {data_dir!r}, which does not. Leave it out for digits."
        )
    place = Path(data_dir) if data_dir else workspace / "data"
    return place if is_in("cifar10", place) else None
