"""Spec and key of an extraction: the options of `pipeline extract`, and their resolved values."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from extract.data import datasets
from extract.errors import InvalidInputError
from extract.runtime.devices import ENGINES, PRECISIONS, STORAGE_BYTES, automatic_batch_size, resolve_precision
from extract.runtime.machine import package_versions
from extract.runtime.options import option
from pipelines.specs import data
from pipelines.specs.data import ImagesKey
from pipelines.specs.weights import Weights, weights_option

EXTRACT_VERSION = 5  # raised when the same key must give other features
_backbone = functools.partial(option, group="Backbone")
_output = functools.partial(option, group="Features")


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """Options of the embedding: a part of a spec and of its key. `layers` are stage indices, as text ("-2,-1")."""

    backbone: str = _backbone("resnet50", "Any timm architecture.", metavar="NAME")
    pool: str = _backbone(
        "network",
        "Pooling of the last feature maps; network is the architecture's own.",
        choices=("network", "avg", "max", "avgmax"),
    )
    layers: str | None = _backbone(
        None, "Stages whose features are joined, e.g. -2,-1.", metavar="I,J,...", default_text="the last"
    )
    precision: str = _backbone("auto", "Dtype of the forward pass.", choices=PRECISIONS)
    inference: str = _backbone(
        "auto",
        "Engine of the forward pass; auto where each pays.",
        choices=ENGINES,
    )
    views: str = _output("plain", "Also embed the mirrored image.", choices=("plain", "flip"))
    storage: str = _output("float16", "Dtype of the stored features.", choices=tuple(STORAGE_BYTES))

    def layer_indices(self) -> tuple[int, ...] | None:
        """The stage indices that `layers` names."""
        try:
            return None if self.layers is None else tuple(int(part) for part in self.layers.split(","))
        except ValueError:
            raise InvalidInputError(
                f"layers must be stage numbers with commas between, like -2,-1; got {self.layers!r}."
            ) from None


@dataclass(frozen=True, kw_only=True)
class ExtractSpec(data.DataSpec, Embedding):
    """One feature file, as the options of `pipeline extract` describe it. `batch_size` is "auto" or a number.

    Raises `InvalidInputError` for a value that can never be right.
    """

    NETWORK = "backbone"
    weights: str = weights_option("pretrained")
    batch_size: int | str = _backbone("auto", "Images per forward pass.", metavar="auto|N")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.layer_indices()
        self.resolved_batch_size("cpu")

    def resolved_batch_size(self, device: str) -> int:
        """Images per step: the given number, or for "auto" what fills the device without waste."""
        if self.batch_size == "auto":
            return automatic_batch_size(device, self.image_size)
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise InvalidInputError(f"batch size must be auto or a whole number from 1; got {self.batch_size!r}.")
        return self.batch_size


@dataclass(frozen=True, kw_only=True)
class ExtractKey(ImagesKey, Embedding):
    """An `ExtractSpec` resolved on this machine. `subset_seed` is None where nothing is drawn."""

    UNSAID: ClassVar = {**ImagesKey.UNSAID, "inference": "auto"}
    weights_file_sha256: str | None
    weights_seed: int | None
    subset_seed: int | None
    batch_size: int

    @property
    def sampling_seed(self) -> int | None:
        return self.subset_seed


def resolve_extract(spec: ExtractSpec, *, located: datasets.Located, device: str, workspace: Path) -> ExtractKey:
    """The key of a spec, for data that was found and a resolved device. Reads the weights file, if there is one."""
    found = Weights.find(spec.weights, workspace)
    sha256, chosen = found.digest(spec.backbone)
    shared = {**spec.data_key(located), **spec.part(Embedding), "precision": resolve_precision(spec.precision, device)}
    return ExtractKey(
        **shared,
        stage_version=EXTRACT_VERSION,
        timm=package_versions("timm")["timm"],
        weights=f"run:{found.run.run}" if found.run else found.kind,
        weights_file_sha256=sha256,
        weights_seed=spec.seed if spec.weights == "untrained" else None,
        subset_seed=spec.seed if spec.sampled else None,
        batch_size=spec.resolved_batch_size(device),
        weights_set=chosen,
        preprocessing=found.preprocessing(spec.preprocessing()),
    )


def locate(spec: ExtractSpec, workspace: Path, *, progress: data.Progress = data.silent) -> datasets.Located:
    """Locate the spec's data set, as `data.located` does; an impossible backbone is refused before a download."""
    before = functools.partial(check, spec, workspace)
    return data.located(spec, workspace, progress=progress, before_download=before)


def check(spec: ExtractSpec, workspace: Path) -> None:
    """Raises `InvalidInputError` for a size, pooling or layers that the backbone lacks; of an own run, when loaded."""
    if Weights.find(spec.weights, workspace).run_folder is None:
        from extract.backbones import frozen

        frozen.check(spec.backbone, image_size=spec.image_size, pool=spec.pool, layers=spec.layer_indices())
