"""A run and raw images -> classes with probabilities: everything that is needed comes from the record.

How a kind of run turns images into logits is in a module of its own, with a `Classifier` and
`load(record, *, context, weights, exact)`, which gives it.
"""

import importlib
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from extract.data.bad_images import refused_together, unreadable
from extract.data.contents import notices, unusual
from extract.data.images import Files, Pixels
from extract.data.walk import printable
from extract.decoding.decode import MAX_PIXELS
from extract.errors import CorruptFileError, InvalidInputError
from heads.trust import conformal
from pipelines.predict import pictures, standalone, trust
from pipelines.predict.trust import Novelty
from pipelines.specs.data import DataSpec
from pipelines.workspace import records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord

if TYPE_CHECKING:
    from PIL import Image
    from torch import nn

    from extract.backbones.transforms import Preprocessing

REGISTRY = {"head": "pipelines.predict.of_head", "network": "pipelines.predict.of_network"}
# Images of 224 x 224 up to which the run's own way costs more than it saves: compiling takes 10 to 40 s, rounding
# weights to bfloat16 1 to 30 s (tf_efficientnet_lite0, vgg16_bn); float32 as it is computes 5 to 25 images a second.
FEW_IMAGES = 256


@dataclass(frozen=True)
class Outputs:
    """What a run says of N images: `logits` float32 [N, K], and `features` [N, D] where it learned from these."""

    logits: np.ndarray
    features: np.ndarray | None = None


@dataclass(frozen=True)
class Graph:
    """A module that turns raw images, uint8 [B, 3, height, width], into logits float [B, K]; on the CPU, in float32.

    `images` are real ones (RGB), which `examples` uint8 [N, 3, height, width] are as the graph takes them by
    `input_facts` (`standalone.prepared`), and `predicted` float32 [N, K] the logits that `predict` gives for them in
    the run's own arithmetic. `whole` makes the run one network of timm's with its last layer, and names it.
    """

    module: "nn.Module"
    height: int
    width: int
    input_facts: dict[str, Any]
    images: "Sequence[Image.Image]"
    examples: np.ndarray
    predicted: np.ndarray
    class_names: tuple[str, ...]
    preprocessing: "Preprocessing"
    whole: "Callable[[], tuple[nn.Module, str]]"


class Classifier(ABC):
    """A run made usable. Columns of its logits are the `class_names`, and `temperature` belongs to them.

    `exact` says whether logits are the run's own to the bit, or equal within its precision: in float32, without
    compiling and filling of batches. None: where the images are more than `FEW_IMAGES`.
    """

    def __init__(
        self, record: DoneRecord, class_names: tuple[str, ...], *, context: Context, exact: bool | None
    ) -> None:
        self.record, self.class_names, self.temperature = record, class_names, record.temperature
        self.context, self._exact = context, exact
        self._native = pictures.native_size(record.dataset)

    def logits(self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> np.ndarray:
        """float32 [N, K] for image files; `exact`, bit for bit the run's test logits where they are its test images.

        Raises `UnreadableImage`, which names the file.
        """
        return self.outputs(paths, max_pixels=max_pixels).logits

    def outputs(self, paths: Sequence[Path], *, max_pixels: int = MAX_PIXELS) -> Outputs:
        """The logits of image files, as `logits` has them, and their features where the run learned from features."""
        result, features = np.empty((len(paths), len(self.class_names)), np.float32), None
        stepped, quick = self.context.counter(len(paths), "images"), not self._is_exact(len(paths))
        for group in pictures.groups(Files.at(paths, max_pixels=max_pixels), native=self._native):
            names = tuple(str(paths[row]) for row in group.rows)
            found = self._outputs(group.images, self.preprocessing, names=names, stepped=stepped, quick=quick)
            result[group.rows] = found.logits
            if found.features is not None:
                shape = (len(paths), found.features.shape[1])
                features = np.empty(shape, found.features.dtype) if features is None else features
                features[group.rows] = found.features
        return Outputs(result, features)

    def _is_exact(self, image_count: int) -> bool:
        height, width = self.preprocessing.image_size
        return image_count * height * width > FEW_IMAGES * 224**2 if self._exact is None else self._exact

    def graph(self) -> Graph:
        """From pixels (of the data set's native size, or else already of the network's) to logits, in float32."""
        height, width = self._native or self.preprocessing.image_size
        with tempfile.TemporaryDirectory(prefix="transfer-bench-") as scratch:
            images, files = pictures.examples(self.record.dataset, native=self._native, folder=Path(scratch))
            facts = {"input_size": [height, width], "resize": None if self._native else self._resize_facts()}
            examples = np.stack([standalone.prepared(image, facts) for image in images])
            seen = Pixels(examples) if self._native else files
            predicted = self._outputs(seen, self.preprocessing, compiles=False).logits
        return Graph(
            self._module(height, width).eval(),
            *(height, width, facts, images, examples, predicted, self.class_names, self.preprocessing, self._whole),
        )

    def _resize_facts(self) -> dict[str, Any]:
        """The preprocessing by which photographs of any size become levels at the network's, as JSON."""
        known = self.preprocessing.as_dict()
        fill = [round(255 * value) for value in self.preprocessing.mean]  # as timm pads
        names = ("image_size", "interpolation", "crop_fraction", "crop_mode")
        return {**{name: known[name] for name in names}, "fill": fill}

    def _resize(self, height: int, width: int) -> "nn.Module":
        from extract.backbones.transforms import Resize, resizes_by_matrix

        if not resizes_by_matrix(self.preprocessing, height=height, width=width):
            raise InvalidInputError(
                f"preprocessing must be one that a graph can hold; got crop mode {self.preprocessing.crop_mode!r} at "
                f"{self.preprocessing.image_size}, which pads or is not square. Use another --image-size."
            )
        return Resize(self.preprocessing, height=height, width=width)

    @property
    @abstractmethod
    def preprocessing(self) -> "Preprocessing":
        """The preprocessing of the run's images."""

    @abstractmethod
    def _outputs(
        self,
        images: Pixels | Files,
        preprocessing: "Preprocessing",
        *,
        names: tuple[str, ...] = (),
        stepped: Callable[[int], None] = lambda _: None,
        compiles: bool = True,
        quick: bool = False,
    ) -> Outputs:
        """The outputs; `names` are what errors call the images, `stepped` hears of each batch.

        `quick` is what is not exact.
        """

    @abstractmethod
    def _module(self, height: int, width: int) -> "nn.Module":
        """uint8 [B, 3, height, width] -> logits float [B, K], on the CPU, in float32."""

    @abstractmethod
    def _whole(self) -> "tuple[nn.Module, str]":
        """A network of timm's, normalized images -> logits, and its name; `InvalidInputError` where it is none."""


@dataclass(frozen=True)
class Prediction:
    """One image: its likeliest classes with their probabilities, the likeliest first.

    `classes` are the set that holds the true one with the coverage that was asked for, `novelty` says how unlike the
    training images it is; None where nobody asked, or the run cannot say.
    """

    path: Path
    top: tuple[tuple[str, float], ...]
    classes: tuple[str, ...] | None = None
    novelty: Novelty | None = None


@dataclass(frozen=True)
class Predictions:
    """Results of a prediction: the images that were classified, in order, and those that could not be read.

    `notices` are on what was passed over in folders. `features` [N, D] are those of the `images` where the run learned
    from features.
    """

    images: tuple[Prediction, ...]
    skipped: tuple[Path, ...]
    notices: tuple[str, ...] = ()
    calibrated: bool = False
    features: np.ndarray | None = None


def classifier(
    run: str, *, context: Context, weights: Path | None = None, exact: bool | None = None
) -> tuple[Classifier, DoneRecord]:
    """(the classifier of `run`, its record). `run` may be an unambiguous prefix.

    `weights` names the file of the backbone's weights where it is no longer at its old place. `exact` is as in
    `Classifier`. Raises `InvalidInputError` for runs that failed or do not exist and `CorruptFileError` for one whose
    files have changed.
    """
    record = records.done(context.workspace, run)
    if records.intact(context.workspace, record.run) is None:
        raise CorruptFileError(f"run must be intact; got {record.run}, whose files are gone or altered. Run it again.")
    module = importlib.import_module(REGISTRY[record.kind])
    return module.load(record, context=context, weights=weights, exact=exact), record


def predict(
    one: Classifier,
    places: Sequence[Path],
    *,
    top: int = 5,
    calibrated: bool | None = None,
    coverage: float | None = None,
    reading: DataSpec | None = None,
) -> Predictions:
    """The likeliest `top` classes of every image that `places` (files and folders) name.

    `calibrated` divides the logits by the temperature that was fitted on validation images; None does where there is
    one. With a `coverage` each image gets the set of classes that holds the true one as often. An unreadable image
    is an `UnreadableImage`, or is skipped where `reading` says so; so is one of more than its `max_pixels`.
    """
    if top < 1:
        raise InvalidInputError(f"top must be at least 1; got {top}.")
    reading = reading or DataSpec()
    calibrated = one.temperature is not None if calibrated is None else calibrated
    by = divisor(one, calibrated=calibrated)
    least = None
    if coverage is not None:
        least = trust.least_probability(one.record, one.context, coverage=coverage, divisor=by)
    with pictures.listed(places) as found:
        bad = unreadable(Files.at(found.paths, max_pixels=reading.max_pixels)) if reading.skips_bad_images else {}
        kept = [row for row, path in enumerate(found.paths) if path not in bad]
        paths = tuple(found.paths[row] for row in kept)
        with refused_together(Files.at(paths, max_pixels=reading.max_pixels)):
            outputs = one.outputs(paths, max_pixels=reading.max_pixels)
        odd = [(str(found.names[row]), unusual(found.paths[row])) for row in kept]
        said = tuple(notices([(printable(name), what) for name, what in odd if what is not None]))
    images = _images(one, [found.names[row] for row in kept], outputs, divisor=by, top=top, least=least)
    skipped = tuple(name for path, name in zip(found.paths, found.names, strict=True) if path in bad)
    return Predictions(images, skipped, (*found.notices, *said), calibrated, outputs.features)


def _images(
    one: Classifier, names: Sequence[Path], outputs: Outputs, *, divisor: float, top: int, least: float | None
) -> tuple[Prediction, ...]:
    shares = trust.probabilities(outputs.logits, divisor=divisor)
    order = np.argsort(-shares, axis=1, kind="stable")[:, : min(top, len(one.class_names))]
    sets = [None] * len(names) if least is None else conformal.sets(shares, least)
    novelty = trust.novelty(trust.reference(one.record, one.context), outputs.features) or [None] * len(names)
    return tuple(
        Prediction(
            name,
            tuple((one.class_names[column], float(share[column])) for column in columns),
            None if members is None else tuple(one.class_names[column] for column in members),
            new,
        )
        for name, share, columns, members, new in zip(names, shares, order, sets, novelty, strict=True)
    )


def probabilities(one: Classifier, logits: np.ndarray, *, calibrated: bool) -> np.ndarray:
    """float64 [N, K]: the softmax of `logits` [N, K], at the run's temperature where `calibrated`.

    Raises `InvalidInputError` where the run has no temperature, because it had no validation split.
    """
    return trust.probabilities(logits, divisor=divisor(one, calibrated=calibrated))


def divisor(one: Classifier, *, calibrated: bool) -> float:
    """Divisor of the logits: 1, or the run's temperature where `calibrated`."""
    if not calibrated:
        return 1.0
    if one.temperature is None:
        raise InvalidInputError(
            "run must have validation images to be calibrated; this one had none (--validation none). "
            "Leave --calibrated out."
        )
    return one.temperature
