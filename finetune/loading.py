"""Weights onto a network whose last layer, and perhaps stem, are new: timm's, packaged ones, or a file's."""

from dataclasses import dataclass

import torch
from torch import nn

from extract import backbones
from extract import weights as weights_room
from extract.errors import InvalidInput


@dataclass(frozen=True)
class Loaded:
    """What was loaded: `source` "pretrained", "packaged", "untrained" or "file", the digest of all tensors there,
    and the names of the network's tensors that kept their own initialisation."""

    source: str
    sha256: str
    fresh: tuple[str, ...]


def state(source: str, *, network: str, architecture: str | None, image_size: int | None) -> dict[str, torch.Tensor]:
    """The tensors of `source`: "pretrained" and "packaged" are those of the timm `architecture`, else a file's.

    Raises `InvalidInput` where the network has no such weights and `Unavailable` where they cannot be had.
    """
    if source not in ("pretrained", "packaged"):
        path = weights_room.weights_file(source, backbone=network)
        assert path is not None  # only "pretrained" and "untrained" have no file
        return weights_room.read(path)
    known = timm_architecture(source, network=network, architecture=architecture)
    return backbones.load(known, weights=source, image_size=image_size).module.state_dict()


def timm_architecture(source: str, *, network: str, architecture: str | None) -> str:
    """The timm `architecture` whose weights fit `network`; `InvalidInput` where there is none."""
    if architecture is None:
        raise InvalidInput(
            f"weights of {network} must be a file or those of an own run; got {source!r}, and timm has none for it. "
            "Train it from scratch, or use resnet18, preact18, densenet121 or vgg16 as they are."
        )
    return architecture


def fit(
    network: nn.Module,
    state: dict[str, torch.Tensor],
    *,
    new: tuple[str, ...],
    may_differ: tuple[str, ...],
    origin: str,
) -> tuple[str, ...]:
    """Copies `state` into `network`; returns the names of the tensors that kept their own initialisation.

    Tensors below the module names `new` are never copied (a new last layer); those below `may_differ` (a replaced
    stem) are where they fit. Raises `InvalidInput` when another tensor is missing, left over or of another shape.
    """
    target = network.state_dict()
    usable = {n: t for n, t in state.items() if n in target and t.shape == target[n].shape and not _below(n, new)}
    free = (*new, *may_differ)
    missing = [n for n in target if n not in state and not _below(n, free) and not n.endswith("num_batches_tracked")]
    extra = [name for name in state if name not in target and not _below(name, free)]
    misfit = [name for name in target if name in state and name not in usable and not _below(name, free)]
    if missing or extra or misfit:
        one = f"missing {missing[0]}" if missing else f"unexpected {extra[0]}" if extra else f"shape of {misfit[0]}"
        raise InvalidInput(
            f"weights must fit the network; got {origin!r} with {len(missing)} tensors missing, {len(extra)} "
            f"unexpected, {len(misfit)} of another shape ({one}). Name the network and options they were made for."
        )
    network.load_state_dict(usable, strict=False)
    return tuple(name for name in target if name not in usable)


def _below(name: str, modules: tuple[str, ...]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)
