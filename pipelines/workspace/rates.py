"""Rates of this machine: what each kind of work took here, in short trials or in runs that are done.

They lie in `rates/<machine>.json`, one file for each hardware, thread count and versions of libraries, so that no
machine is told another one's. A damaged file counts as absent and is made anew. Estimates read rates; results never do.
"""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from extract.errors import StorageError
from extract.features.layout import canonical_json
from extract.runtime.machine import machine, package_versions, thread_count
from extract.runtime.typed_json import Seconds
from pipelines.workspace import stored
from pipelines.workspace.parts.scores import RecordPart
from pipelines.workspace.schema import Options

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from extract.features.extraction import ExtractionTiming

HARDWARE = ("processor", "core_count", "bf16_units", "cuda_device_count")
LIBRARIES = ("torch", "timm", "numpy")
SHORT_SECONDS = 1.0  # a run that took less says nothing of longer ones
Basis = Literal["run", "trial", "arithmetic"]  # the surest first


class Rate(RecordPart, frozen=True, kw_only=True):
    """`seconds` for each piece of a kind of work, after `begin` seconds before the first; what told so."""

    seconds: Seconds
    begin: Seconds = 0.0
    basis: Basis = "trial"


class MachineRates(RecordPart, frozen=True, kw_only=True):
    """What a machine is, and its rates by kind of work."""

    machine: Options
    rates: dict[str, Rate]


def work(*words: object) -> str:
    """The name of a kind of work."""
    return " ".join(map(str, words))


def extraction(backbone: "Backbone", *, precision: str, rows: int, engine: str, source: str) -> str:
    """The work of embedding an image in batches of `rows`; of a file of the folder `source`, decoded first."""
    size = backbone.preprocessing.image_size[0]
    return work("embed", backbone.name, backbone.flops, "FLOPs", size, "px", precision, rows, engine, source).strip()


def training(
    part: str, network: str, *, size: int, rows: int, precision: str, stages: int | None, options: Options
) -> str:
    """The work of an image of full size that is "trained" in batches of `rows`, all of it or its last `stages`, or that
    is "scored"."""
    which = "all" if stages is None else f"{stages} stages"
    return work(part, network, size, "px", precision, rows, which, sorted(options.items()))


def known(workspace: Path) -> dict[str, Rate]:
    """The rates of this machine by kind of work; none where none are kept or they are damaged."""
    facts, path = _place(workspace)
    found = stored.find(path, MachineRates)
    return found.rates if found is not None and found.machine == facts else {}


def keep(workspace: Path, rates: Mapping[str, Rate]) -> None:
    """Adds `rates`; of two processes at once the later one's stay. A workspace that is not there is not made."""
    facts, path = _place(workspace)
    if not rates or not workspace.is_dir():
        return
    with contextlib.suppress(OSError, StorageError):  # what is not kept is measured again
        stored.write(path, MachineRates(machine=facts, rates={**known(workspace), **rates}))


def keep_run(workspace: Path, name: str, seconds: float, *, pieces: float, begin: float | None = None) -> None:
    """Keeps what a run of so many `pieces` took, where it was long enough to tell; without `begin` the known one."""
    if seconds >= SHORT_SECONDS and pieces:
        before = known(workspace).get(name, Rate(seconds=0.0)).begin if begin is None else begin
        keep(workspace, {name: Rate(seconds=seconds / pieces, begin=before, basis="run")})


def keep_extraction(workspace: Path, name: str, timing: "ExtractionTiming", *, views: int) -> None:
    """Keeps what an extraction of so many `views` of each image took."""
    seconds, begin = timing.seconds - timing.compile_seconds, timing.compile_seconds
    keep_run(workspace, name, seconds, pieces=views * timing.images_computed, begin=begin)


def _place(workspace: Path) -> tuple[Options, Path]:
    here = {name: value for name, value in asdict(machine()).items() if name in HARDWARE}
    facts = {**here, "threads": thread_count(), "versions": package_versions(*LIBRARIES)}
    return facts, workspace / "rates" / f"{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:16]}.json"
