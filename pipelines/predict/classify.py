"""A run and raw images -> classes with probabilities: everything that is needed comes from the record.

How a kind of run turns images into logits is in a module of its own, which offers
`load(record, *, context, weights, quick) -> Classifier`.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from extract.data.bad_images import refused_together, unreadable
from extract.data.contents import notices, unusual
from extract.data.images import Files
from extract.data.walk import printable
from extract.decoding.decode import MAX_PIXELS
from extract.errors import CorruptFileError, InvalidInputError
from pipelines.predict import pictures
from pipelines.specs.data import DataSpec
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.record import DoneRecord

if TYPE_CHECKING:
    from torch import nn

REGISTRY = {"head": "pipelines.predict.of_head", "network": "pipelines.predict.of_network"}


@dataclass(frozen=True)
class Graph:
    """A module that turns raw images, uint8 [B, 3, height, width], into logits float [B, K]; on the CPU, in float32.

    `examples` are real images of that shape, and `predicted` float32 [N, K] the logits that `predict` gives for them in
    the run's own arithmetic.
    """

    module: "nn.Module"
    height: int
    width: int
    examples: np.ndarray
    predicted: np.ndarray


class Classifier(Protocol):
    """A run made usable. Columns of its logits are the `class_names`, and `temperature` belongs to them."""

    class_names: tuple[str, ...]
    temperature: float | None

    def logits(self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """float32 [N, K] for image files: bit for bit the run's own test logits where they are its test images.

        Raises `UnreadableImage`, which names the file.
        """
        ...

    def graph(self) -> Graph:
        """The whole way from pixels to logits, for export."""
        ...


@dataclass(frozen=True)
class Prediction:
    """One image: its likeliest classes with their probabilities, the likeliest first."""

    path: Path
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Predictions:
    """What became of the images: those that were classified, in order, and those that could not be read.

    `notices` are on what was passed over in folders.
    """

    images: tuple[Prediction, ...]
    skipped: tuple[Path, ...]
    notices: tuple[str, ...] = ()


def classifier(
    run: str, *, context: Context, weights: Path | None = None, quick: bool = False
) -> tuple[Classifier, DoneRecord]:
    """(the classifier of `run`, its record). `run` may be an unambiguous prefix.

    `weights` names the file of the backbone's weights where it is no longer at its old place. `quick` spares
    what makes the logits those of the record to the last bit: they are then equal within rounding. Raises
    `InvalidInputError` for runs that failed or do not exist and `CorruptFileError` for one whose files have changed.
    """
    record = records.done(context.workspace, run)
    if records.intact(context.workspace, record.run) is None:
        raise CorruptFileError(f"run must be intact; got {record.run}, whose files are gone or altered. Run it again.")
    module = importlib.import_module(REGISTRY[record.kind])
    return module.load(record, context=context, weights=weights, quick=quick), record


def predict(
    one: Classifier,
    places: Sequence[Path],
    *,
    top: int = 5,
    calibrated: bool = False,
    reading: DataSpec | None = None,
) -> Predictions:
    """The likeliest `top` classes of every image that `places` (files and folders) name.

    `calibrated` divides the logits by the temperature that was fitted on validation images. An unreadable image
    is an `UnreadableImage`, or is skipped where `reading` says so; so is one of more than its `max_pixels`.
    """
    if top < 1:
        raise InvalidInputError(f"top must be at least 1; got {top}.")
    reading = reading or DataSpec()
    with pictures.listed(places) as found:
        bad = unreadable(Files(found.paths, reading.max_pixels)) if reading.skips_bad_images else {}
        kept = [row for row, path in enumerate(found.paths) if path not in bad]
        paths = tuple(found.paths[row] for row in kept)
        with refused_together(Files(paths, reading.max_pixels)):
            none = np.empty((0, len(one.class_names)), np.float32)
            logits = one.logits(paths, max_pixels=reading.max_pixels) if paths else none
        odd = [(str(found.names[row]), unusual(found.paths[row])) for row in kept]
        said = tuple(notices([(printable(name), what) for name, what in odd if what is not None]))
    shares = probabilities(one, logits, calibrated=calibrated)
    order = np.argsort(-shares, axis=1, kind="stable")[:, : min(top, len(one.class_names))]
    images = tuple(
        Prediction(found.names[row], tuple((one.class_names[column], float(share[column])) for column in columns))
        for row, share, columns in zip(kept, shares, order, strict=True)
    )
    skipped = tuple(name for path, name in zip(found.paths, found.names, strict=True) if path in bad)
    return Predictions(images, skipped, (*found.notices, *said))


def probabilities(one: Classifier, logits: np.ndarray, *, calibrated: bool) -> np.ndarray:
    """float64 [N, K]: the softmax of `logits` [N, K], at the run's temperature where `calibrated`.

    Raises `InvalidInputError` where the run has no temperature, because it had no validation split.
    """
    from scipy.special import softmax

    return softmax(logits.astype(np.float64) / divisor(one, calibrated=calibrated), axis=1)


def divisor(one: Classifier, *, calibrated: bool) -> float:
    """What logits are divided by: 1, or the run's temperature where `calibrated`."""
    if not calibrated:
        return 1.0
    if one.temperature is None:
        raise InvalidInputError(
            "run must have validation images to be calibrated; this one had none (--validation none). "
            "Leave --calibrated out."
        )
    return one.temperature
