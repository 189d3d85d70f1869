"""The loss landscape of a trained network, computed on request and kept beside the workspace's other results."""

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from extract.data.images import ImageSet, ImageSplit, stratified_rows
from extract.errors import CorruptFileError
from extract.runtime.typed_json import Number
from pipelines.workspace import records, stored
from pipelines.workspace.schema import RunName

SIDE, REACH, IMAGES = 13, 1.0, 256


class KeptLandscape(TypedDict):
    """A loss landscape that is kept: `loss[i][j]` at steps i and j from the network `run`."""

    run: RunName
    steps: list[Number]
    loss: list[list[Number | None]]


def loss_landscape(
    workspace: Path, run: str, *, split: Callable[[], ImageSplit], progress: Callable[[int, int, str], None]
) -> KeptLandscape:
    """The losses around the network of `run`, on `IMAGES` of its training images, which `split` finds.

    What was computed before is read, unless its file is not as it was written.
    """
    path = workspace / "landscapes" / f"{run}-{SIDE}-{IMAGES}.json"
    try:
        found = stored.read(path, KeptLandscape, thing="loss landscape", remedy="It is computed again.")
        if found["run"] == run:
            return found
    except CorruptFileError:
        pass
    values = _computed(records.folder(workspace, run), run, split(), progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    stored.write(path, values)
    return values


def _computed(folder: Path, run: str, split: ImageSplit, progress: Callable[[int, int, str], None]) -> KeptLandscape:
    from finetune.analysis.loss_landscape import loss_landscape as measured
    from pipelines.training import network_io, pixels

    preprocessing = network_io.sidecar(folder).preprocessing
    sample = split.take(stratified_rows(split.labels, min(IMAGES, len(split)), seed=0))
    loaded = pixels.load(
        ImageSet(run, (), {"train": sample}),
        preprocessing,
        progress=lambda done, total: progress(done, total, "images"),
    )
    found = measured(
        network_io.network(folder),
        loaded.splits["train"],
        normalization=(preprocessing.mean, preprocessing.std),
        resize=loaded.resize,
        side=SIDE,
        reach=REACH,
        progress=lambda done, total: progress(done, total, "points of the loss landscape"),
    )
    return {"run": run, "steps": list(found.steps), "loss": [list(row) for row in found.loss]}
