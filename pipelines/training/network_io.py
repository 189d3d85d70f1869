"""A trained network on disk: `network.safetensors`, and a sidecar with all that turns a raw image into its logits."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from extract.backbones import weights_fit
from extract.backbones.checkpoints import Checkpoint
from extract.backbones.frozen import Backbone, frozen
from extract.backbones.transforms import Preprocessing
from extract.backbones.weights_preprocessing import KnownPreprocessing
from extract.errors import CorruptFileError, InvalidInputError
from extract.features.layout import canonical_json
from extract.runtime.disk import make_folder, write_files
from extract.runtime.startup import Undrawn
from extract.runtime.typed_json import ShapeError, checksummed, plain, typed, verified
from finetune.architectures import networks
from finetune.architectures.options import LARGEST_CIFAR_SIZE
from pipelines.specs.weights import SIDECAR_NAME, WEIGHTS_NAME
from pipelines.workspace.schema import Options

CHECKSUM = "sidecar_sha256"


@dataclass(frozen=True)
class Sidecar:
    """Description beside a weights file: enough to build the network again and to feed it.

    `architecture` holds the options that were given; `key` is the spec of the run, recipe and all.
    """

    network: str
    architecture: Options
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    key: Options
    weights_sha256: str = ""
    schema: Literal[1] = 1


def keep(network: nn.Module, folder: Path, *, sidecar: Sidecar) -> None:
    """Writes the weights, then the sidecar that names their sha256; each under a temporary name first."""
    weights = save({name: _plain(tensor) for name, tensor in network.state_dict().items()})
    values = plain(replace(sidecar, weights_sha256=hashlib.sha256(weights).hexdigest()))
    text = json.dumps(checksummed(values, CHECKSUM, canonical_json), indent=1, ensure_ascii=False)
    make_folder(folder)
    write_files({folder / WEIGHTS_NAME: weights, folder / SIDECAR_NAME: text.encode()})


def sidecar(folder: Path) -> Sidecar:
    """The sidecar of the network in `folder`; `CorruptFileError` where it is missing, altered or of another schema."""
    path = folder / SIDECAR_NAME
    try:
        return typed(verified(path.read_bytes(), CHECKSUM, canonical_json), Sidecar)
    except (OSError, ShapeError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error


def architecture(known: Sidecar) -> Options:
    """The options of a kept network with its stem made explicit, so that it is the same at every image size."""
    options = dict(known.architecture)
    if "stem" in networks.resolve(known.network).option_names and options.get("stem", "auto") == "auto":
        options["stem"] = "cifar" if known.preprocessing.image_size[0] <= LARGEST_CIFAR_SIZE else "imagenet"
    return options


def network(folder: Path, *, image_size: int | None = None) -> nn.Module:
    """The trained network in `folder`, in evaluation mode on the CPU; `CorruptFileError` where the weights are others.

    At another `image_size` than its own, position embeddings are resampled as timm resamples them.
    """
    known = sidecar(folder)
    state = tensors(folder)
    size = image_size or known.preprocessing.image_size[0]
    with Undrawn():
        built = networks.build(
            known.network, n_classes=len(known.class_names), image_size=size, options=architecture(known)
        )
    if size != known.preprocessing.image_size[0]:
        weights_fit.load(built, Checkpoint(str(folder / WEIGHTS_NAME), state, {}), free=weights_fit.Free())
        return built.eval()
    try:
        built.load_state_dict(state)
    except RuntimeError as error:
        raise _damaged(folder / WEIGHTS_NAME, str(error).splitlines()[0]) from error
    return built.eval()


def backbone(
    folder: Path,
    name: str,
    *,
    image_size: int | None,
    pool: str = "network",
    layers: tuple[int, ...] | None = None,
    preprocessing: KnownPreprocessing | None = None,
) -> Backbone:
    """The network kept in `folder`, which trained `name`, as a frozen backbone; fed as it was trained.

    `preprocessing` is what is to be otherwise. `image_size`, `pool` and `layers` as in `extract.backbones.frozen.load`.
    Raises `InvalidInputError` where the name or an option does not fit and `CorruptFileError` where the files are not
    those that were kept.
    """
    known = sidecar(folder)
    if known.network != networks.resolve(name).current_name:
        raise InvalidInputError(
            f"backbone must be the network that the run trained, {known.network}; got {name!r}. "
            f"Use --backbone {known.network}, or leave it out."
        )
    chosen = known.preprocessing.updated(preprocessing or {})
    if image_size is not None:
        chosen = replace(chosen, image_size=(image_size, image_size))
    embedding = networks.embedding(network(folder, image_size=image_size))
    return frozen(embedding, name=name, pool=pool, layers=layers, preprocessing=chosen)


def tensors(folder: Path) -> dict[str, Tensor]:
    """The weights in `folder` by name, checked against the sidecar's sha256."""
    path = folder / WEIGHTS_NAME
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != sidecar(folder).weights_sha256:
        raise _damaged(path, "it is gone, or not the file that its sidecar describes")
    try:
        return load(content)
    except SafetensorError as error:
        raise _damaged(path, str(error)) from error


def _plain(tensor: Tensor) -> Tensor:
    """A tensor that shares its memory with no other and lies in the order of its axes, as safetensors requires."""
    return torch.empty(tensor.shape, dtype=tensor.dtype).copy_(tensor.detach())


def _damaged(path: Path, what: str) -> CorruptFileError:
    return CorruptFileError(f"trained network must be intact; got {str(path)!r}: {what}. Train it again.")
