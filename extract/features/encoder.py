"""A frozen timm backbone as a scikit-learn transformer: images in, the values of a feature file out."""

import functools
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from extract.backbones import frozen, weights
from extract.backbones.frozen import Backbone
from extract.errors import InvalidInputError, unknown
from extract.features.embed import stored
from extract.features.sequences import Picture, embed, readable
from extract.runtime.devices import STORAGE_BYTES, resolve_device, resolve_precision

_KNOWN: dict[str, dict[bytes, np.ndarray]] = {}  # rows by settings, then by digest of the image


class TimmEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Images to features [N, D], D the width of the backbone, float32 as a feature file stores them.

    `backbone`, `weights`, `image_size`, `pool`, `layers`, `precision`, `storage`, `batch_size`, `device` and `seed` are
    the options of `pipeline extract`. An image is the path of a file, a PIL image or an array or tensor uint8
    [H, W, 3], [3, H, W] or [H, W]. `fit` learns nothing. With `cache` an image is embedded once in a process, however
    often a search asks.
    """

    def __init__(
        self,
        backbone: str = "resnet50",
        weights: str = "pretrained",
        *,
        image_size: int | None = None,
        pool: str = "network",
        layers: tuple[int, ...] | None = None,
        precision: str = "auto",
        storage: str = "float16",
        batch_size: int | str = "auto",
        device: str = "auto",
        seed: int = 0,
        cache: bool = True,
    ) -> None:
        self.backbone, self.weights, self.seed = backbone, weights, seed
        self.image_size, self.pool, self.layers = image_size, pool, layers
        self.precision, self.storage, self.batch_size, self.device = precision, storage, batch_size, device
        self.cache = cache

    def fit(self, images: Sequence[Picture] | None = None, labels: ArrayLike | None = None) -> Self:
        """The encoder itself; nothing is learned. Raises `InvalidInputError`, as `transform` does, for a backbone or
        an option that there is not.
        """
        self._check()
        return self

    def _check(self) -> None:
        for name, low, others in (("image_size", 1, (None,)), ("batch_size", 1, ("auto",)), ("seed", 0, ())):
            value, least = getattr(self, name), f"a whole number from {low}"
            if value not in others and not (isinstance(value, int | np.integer) and value >= low):
                raise InvalidInputError(f"{name} must be {' or '.join(map(str, (least, *others)))}; got {value!r}.")
        if self.storage not in STORAGE_BYTES:
            raise unknown("storage", name=str(self.storage), known=STORAGE_BYTES)
        resolve_precision(self.precision, resolve_device(self.device))
        frozen.check(self._name(), image_size=self.image_size, pool=self.pool, layers=self._layers())
        weights.weights_file(str(self.weights), backbone=self._name())

    def transform(self, images: Sequence[Picture] | np.ndarray | torch.Tensor) -> np.ndarray:
        """float32 [N, D] of N images. Raises `InvalidInputError` for what is no image, `UnreadableImage` for a file."""
        if not isinstance(images, Iterable | Image.Image):
            raise InvalidInputError(
                f"images must be a sequence of paths, PIL images or arrays; got {images!r}. Pass a list."
            )
        given = list(images) if not isinstance(images, str | Path | Image.Image) else [images]
        if not given:
            raise InvalidInputError("images must be at least one; got none. Pass paths, PIL images or arrays.")
        self._check()
        given = [np.asarray(one) if isinstance(one, torch.Tensor) else one for one in given]
        known = _KNOWN.setdefault(self._settings(), {}) if self.cache else {}
        names = [_digest(one, row) if self.cache else row.to_bytes(8) for row, one in enumerate(given)]
        missing = {name: row for row, name in enumerate(names) if name not in known}
        if missing:
            rows = self._embedded([given[row] for row in missing.values()])
            known.update(zip(missing, rows, strict=True))
        return np.stack([known[name] for name in names]).astype(np.float32)

    def _embedded(self, images: list[Picture]) -> np.ndarray:
        """[N, D] in the dtype of a feature file, by the engine and in the batches of `pipeline extract`."""
        rows = None if self.batch_size == "auto" else int(self.batch_size)
        arrays = [one for one in images if isinstance(one, np.ndarray)]
        even = len(arrays) == len(images) and len({one.shape for one in arrays}) == 1
        given = np.stack(arrays) if even else images
        made = embed(given, self._loaded(), precision=self.precision, device=self.device, batch_size=rows)
        ids = tuple(str(one) if isinstance(one, str | Path) else f"image {row}" for row, one in enumerate(images))
        return stored(torch.from_numpy(made)[None], storage=self.storage, ids=ids)[0].numpy()

    def _loaded(self) -> Backbone:
        name, layers = self._name(), self._layers()
        return _backbone(name, self.weights, self._stamp(), self.image_size, self.pool, layers, self.seed)

    def _layers(self) -> tuple[int, ...] | None:
        if not isinstance(self.layers, list | tuple | None):
            raise InvalidInputError(f"layers must be a tuple of stage numbers, or None; got {self.layers!r}.")
        return None if self.layers is None else tuple(self.layers)

    def _name(self) -> str:
        if not isinstance(self.backbone, str):
            raise InvalidInputError(
                f"backbone must be the name of a timm network; got {self.backbone!r}. Pass one, such as 'resnet50'."
            )
        return self.backbone

    def _settings(self) -> str:
        """What decides on the values, beside the image."""
        return repr((self._stamp(), sorted({**self.get_params(), "cache": None}.items())))

    def _stamp(self) -> tuple[int, int] | None:
        """Size and time of the weights, where they are a file's: it may be written anew."""
        source = str(self.weights)
        return _facts(weights.split(source)[0]) if weights.is_file(source) else None

    @property
    def _n_features_out(self) -> int:
        return self._loaded().dimension

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = tags.no_validation = True
        return tags


@functools.lru_cache(maxsize=4)
def _backbone(
    name: str,
    source: str,
    stamp: tuple[int, int] | None,
    image_size: int | None,
    pool: str,
    layers: tuple[int, ...] | None,
    seed: int,
) -> Backbone:
    return frozen.load(name, weights=source, image_size=image_size, pool=pool, layers=layers, seed=seed)


def _digest(image: Picture, row: int) -> bytes:
    """What tells images apart: of a file its path, size and time, else the pixels."""
    if isinstance(image, str | Path):
        path = Path(image)
        return repr((str(path.absolute()), _facts(path) if path.is_file() else None)).encode()
    array = np.asarray(readable(image, row) if isinstance(image, Image.Image) else image)
    return hashlib.sha256(f"{array.dtype}{array.shape}".encode() + array.tobytes()).digest()


def _facts(path: Path) -> tuple[int, int]:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def forget() -> None:
    """Drops the rows and the networks that encoders of this process keep."""
    _KNOWN.clear()
    _backbone.cache_clear()
