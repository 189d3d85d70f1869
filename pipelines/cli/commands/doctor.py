"""`pipeline doctor`: this machine, and what would stand in the way."""

from dataclasses import asdict
from importlib.metadata import packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

import pipelines
from pipelines.cli.options import shared

DISTRIBUTION = "transfer-bench"
PACKAGES = ("extract", "heads", "finetune", "pipelines")
LIBRARIES = ("torch", "torchvision", "timm", "scikit-learn", "h5py", "joblib", "numpy", "pillow", "safetensors")


@click.command("doctor")
@shared.common
def doctor_command(run: shared.Run) -> None:
    """Say what this machine has and what is missing."""
    facts = _facts(run)
    lines = [f"{key:<18} {_text(value)}" for key, value in facts.items() if key not in ("versions", "problems")]
    lines += [f"{name:<18} {version}" for name, version in facts["versions"].items()]
    lines += (
        ["", *(f"problem: {problem}" for problem in facts["problems"])] if facts["problems"] else ["", "no problems"]
    )
    run.reporter.result(facts, lines)


def _text(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value)) or "none"
        case _:
            return "none" if value is None else str(value)


def _facts(run: shared.Run) -> dict[str, Any]:
    from extract.backbones.weights import reachable
    from extract.runtime.compiler import compiler_fault
    from extract.runtime.devices import resolve_precision
    from extract.runtime.machine import machine, package_versions

    facts = {
        **asdict(machine()),
        "device": run.device,
        "precision": resolve_precision("auto", run.device),
        "compiler": not compiler_fault(),
        "hub_reachable": reachable(),
        "packaged_weights": _packaged(),
        "workspace": str(run.workspace.resolve()),
        "versions": package_versions(*LIBRARIES),
    }
    return {**facts, "problems": _problems(run, facts)}


def _packaged() -> list[str]:
    from extract.backbones.weights import PACKAGED, packaged_file
    from extract.errors import UnavailableError

    found = []
    for name in PACKAGED:
        try:
            packaged_file(name)
        except UnavailableError:
            continue
        found.append(name)
    return found


def _problems(run: shared.Run, facts: dict[str, Any]) -> list[str]:
    from extract.errors import TransferBenchError
    from extract.runtime.compiler import compiler_fault
    from extract.runtime.devices import torch_device
    from pipelines.workspace.cache import check_workspace

    problems = []
    for check in (lambda: check_workspace(run.workspace), lambda: torch_device(run.device)):
        try:
            check()
        except TransferBenchError as error:
            problems.append(str(error))
    if not facts["compiler"]:
        problems.append(f"{compiler_fault()}; networks run uncompiled, which is slower.")
    if not facts["hub_reachable"] and not facts["packaged_weights"]:
        problems.append("no weights: the hub cannot be reached and no packaged weights are installed.")
    return problems + _shadowed()


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
