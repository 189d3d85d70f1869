"""`pipeline doctor`: this machine, and what would stand in the way."""

import contextlib
from dataclasses import asdict
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path

import pipelines
from extract.backbones.weights import PACKAGED, packaged_file
from extract.errors import TransferBenchError, UnavailableError
from extract.runtime.formats import size, written
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command
from pipelines.cli.terminal.table import facts

DISTRIBUTION = "transfer-bench"
PACKAGES = ("extract", "heads", "finetune", "pipelines")
LIBRARIES = ("torch", "torchvision", "timm", "scikit-learn", "h5py", "joblib", "numpy", "pillow", "safetensors")


@command("doctor")
@shared.taking("workspace", "device")
def doctor_command(run: shared.Invocation) -> None:
    """Say what this machine has and what is missing."""
    from extract.backbones.weights import reachable
    from extract.runtime.compiler import compiler_fault
    from extract.runtime.devices import resolve_precision
    from extract.runtime.machine import machine, package_versions

    hub_reachable, packaged, versions = reachable(), _packaged(), package_versions(*LIBRARIES)
    found = {
        **asdict(machine()),
        "device": run.device,
        "precision": resolve_precision("auto", run.device),
        "compiler": not compiler_fault(),
        "hub_reachable": hub_reachable,
        "packaged_weights": packaged,
        "workspace": str(run.workspace.resolve()),
    }
    problems = [*_problems(run), *_shadowed()]
    if not hub_reachable and not packaged:
        problems.append("no weights: the hub cannot be reached and no packaged weights are installed.")
    shown = {**found, "memory_bytes": size(found["memory_bytes"]), **versions}
    lines = facts({name.replace("_", " ").removesuffix(" bytes"): written(value) for name, value in shown.items()})
    lines += ["", *([f"problem: {problem}" for problem in problems] or ["no problems"])]
    run.reporter.result({**found, "versions": versions, "problems": problems}, lines)


def _packaged() -> list[str]:
    found = []
    for name in PACKAGED:
        with contextlib.suppress(UnavailableError):
            packaged_file(name)
            found.append(name)
    return found


def _problems(run: shared.Invocation) -> list[str]:
    from extract.runtime import openvino_model
    from extract.runtime.compiler import compiler_fault
    from extract.runtime.devices import resolve_precision, torch_device
    from pipelines.workspace.cache import check_workspace

    problems = []
    for check in (lambda: check_workspace(run.workspace), lambda: torch_device(run.device)):
        try:
            check()
        except TransferBenchError as error:
            problems.append(str(error))
    is_ahead = run.device == "cpu" and openvino_model.is_ahead_here(resolve_precision("auto", "cpu"))
    if is_ahead and not openvino_model.is_installed():
        problems.append("package openvino is not installed; extraction would be faster with it: pip install openvino.")
    if fault := compiler_fault():
        problems.append(f"{fault}; networks run uncompiled, which is slower.")
    return problems


def _shadowed() -> list[str]:
    """Say which of our top-level packages another distribution, or a folder before it on the path, takes."""
    distributions, root, problems = packages_distributions(), Path(pipelines.__file__).parents[1], []
    for name in PACKAGES:
        others = sorted({one for one in distributions.get(name, ()) if one != DISTRIBUTION})
        spec = find_spec(name)
        folder = Path(spec.origin).parent if spec is not None and spec.origin else None
        if others:
            problems.append(
                f"package {name!r} must be installed by {DISTRIBUTION} alone; it is also installed by "
                f"{', '.join(others)}. Use an environment of its own."
            )
        elif folder != root / name:
            problems.append(
                f"package {name!r} must be that of {DISTRIBUTION}, {str(root / name)!r}; Python finds {str(folder)!r} "
                "first. Use an environment of its own, or another current folder."
            )
    return problems
