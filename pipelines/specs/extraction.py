"""What a feature file is: the options of `pipeline extract`, and what they mean here and now."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from extract.backbones import weights, weights_preprocessing
from extract.data import datasets
from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError
from extract.features.layout import canonical_json
from extract.runtime.devices import PRECISIONS, automatic_batch_size, resolve_precision
from extract.runtime.machine import package_versions
from pipelines.specs import data
from pipelines.specs.known import dataset_name
from pipelines.specs.own import known_preprocessing, own_run
from pipelines.specs.values import at_least_one, checked_seed, one_of

EXTRACT_VERSION = 5  # raised when the same key must give other features
VIEWS = ("plain", "flip")
STORAGES = ("float16", "float32")
LATER = ("weights_set", "preprocessing")  # fields of a key that are left out where they are None
POOLS = ("network", "avg", "max", "avgmax")


@dataclass(frozen=True)
class ExtractSpec:
    """One feature file, as the options of `pipeline extract` describe it.

    `subset` and `test_subset` count images; `layers` are stage indices, as text ("-2,-1"); `batch_size` is
    "auto" or a number. Raises `InvalidInputError` for a value that can never be right.
    """

    backbone: str = "resnet50"
    weights: str = "pretrained"
    dataset: str = "cifar10"
    data_dir: str | None = None
    image_size: int | None = None
    pool: str = "network"
    layers: str | None = None
    views: str = "plain"
    subset: int | None = None
    test_subset: int | None = None
    storage: str = "float16"
    precision: str = "auto"
    batch_size: str = "auto"
    on_bad_image: str = "error"
    max_pixels: int = MAX_PIXELS
    mean: str | None = None
    std: str | None = None
    crop_pct: float | None = None
    interpolation: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", dataset_name(self.dataset))
        data.expand(self)
        one_of("views", self.views, VIEWS)
        one_of("storage", self.storage, STORAGES)
        one_of("precision", self.precision, PRECISIONS)
        one_of("pool", self.pool, POOLS)
        one_of("on-bad-image", self.on_bad_image, ("error", "skip"))
        at_least_one("max pixels", self.max_pixels)
        at_least_one("image size", self.image_size)
        at_least_one("subset", self.subset)
        at_least_one("test subset", self.test_subset)
        checked_seed(self.seed)
        self.layer_indices()
        self.resolved_batch_size("cpu")
        self.preprocessing()

    def preprocessing(self) -> dict[str, Any]:
        """What the options say of the preprocessing (`extract.backbones.weights_preprocessing`)."""
        return weights_preprocessing.given(
            mean=self.mean, std=self.std, crop_pct=self.crop_pct, interpolation=self.interpolation
        )

    def layer_indices(self) -> tuple[int, ...] | None:
        """The stage indices that `layers` names."""
        return _indices(self.layers)

    def resolved_batch_size(self, device: str) -> int:
        """Images a step: the given number, or for "auto" what fills the device without waste."""
        if self.batch_size == "auto":
            return automatic_batch_size(device, self.image_size)
        if not str(self.batch_size).isdigit() or int(self.batch_size) < 1:
            raise InvalidInputError(f"batch size must be auto or a whole number from 1; got {self.batch_size!r}.")
        return int(self.batch_size)


def _indices(layers: str | None) -> tuple[int, ...] | None:
    if layers is None:
        return None
    try:
        return tuple(int(part) for part in layers.split(","))
    except ValueError:
        raise InvalidInputError(
            f"layers must be stage numbers with commas between, like -2,-1; got {layers!r}."
        ) from None


@dataclass(frozen=True)
class ExtractKey:
    """An `ExtractSpec` resolved on this machine: primitives and digests of its inputs only.

    Data are known by their digest alone: a folder may be renamed. `seed` is None where nothing is drawn. `timm` is in
    it because preprocessing and hub weights are timm's. `preprocessing` is what is known beside what the weights' own
    file says, `weights_set` which tensors of that file; the text names them only where there are any.
    """

    stage_version: int
    timm: str
    backbone: str
    weights: str
    weights_file_sha256: str | None
    weights_seed: int | None
    dataset_digest: str
    subset: int | None
    test_subset: int | None
    subset_seed: int | None
    image_size: int | None
    pool: str
    layers: str | None
    views: str
    storage: str
    precision: str
    batch_size: int
    on_bad_image: str
    max_pixels: int | None
    weights_set: str | None = None
    preprocessing: dict[str, Any] | None = None

    def layer_indices(self) -> tuple[int, ...] | None:
        """The stage indices that `layers` names."""
        return _indices(self.layers)

    def text(self) -> str:
        """The key as canonical JSON, which is what joblib hashes."""
        values = asdict(self)
        return canonical_json({one: values[one] for one in values if one not in LATER or values[one] is not None})

    @classmethod
    def from_text(cls, text: str) -> "ExtractKey":
        """The key that `text` was made from."""
        return cls(**json.loads(text))


def resolve_extract(spec: ExtractSpec, *, located: datasets.Located, device: str, workspace: Path) -> ExtractKey:
    """The key of a spec, for data that was found and a resolved device. Reads the weights file, if there is one."""
    run = own_run(spec.weights, workspace)
    file = None if run else weights.weights_file(spec.weights, backbone=spec.backbone)
    known = spec.weights if spec.weights in weights.SOURCES else "file"
    sha256 = run["files"]["network.safetensors"] if run else None if file is None else weights.file_sha256(file)
    sampled = spec.subset is not None or spec.test_subset is not None
    return ExtractKey(
        stage_version=EXTRACT_VERSION,
        timm=package_versions("timm")["timm"],
        backbone=spec.backbone,
        weights=f"run:{run['run']}" if run else known,
        weights_file_sha256=sha256,
        weights_seed=spec.seed if spec.weights == "untrained" else None,
        dataset_digest=located.digest,
        subset=spec.subset,
        test_subset=spec.test_subset,
        subset_seed=spec.seed if sampled else None,
        image_size=spec.image_size,
        pool=spec.pool,
        layers=spec.layers,
        views=spec.views,
        storage=spec.storage,
        precision=resolve_precision(spec.precision, device),
        batch_size=spec.resolved_batch_size(device),
        on_bad_image=spec.on_bad_image,
        max_pixels=spec.max_pixels if spec.on_bad_image == "skip" else None,
        weights_set=None if file is None else weights.split(spec.weights)[1],
        preprocessing=known_preprocessing(spec.weights, spec.preprocessing()),
    )


def locate(spec: ExtractSpec, workspace: Path, *, progress: data.Progress = data.silent) -> datasets.Located:
    """Where the spec's data set is, as `data.located` finds it; an impossible backbone is refused before a download."""

    def check() -> None:
        if own_run(spec.weights, workspace) is None:
            from extract.backbones import frozen

            layers = spec.layer_indices()
            frozen.check(spec.backbone, image_size=spec.image_size, pool=spec.pool, layers=layers)

    return data.located(spec, workspace, progress=progress, before_download=check)
