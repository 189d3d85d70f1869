"""Weights onto a network whose last layer, and perhaps stem, are new: timm's, packaged ones, or a file's."""

from dataclasses import dataclass

from extract.backbones import checkpoints, frozen
from extract.errors import InvalidInputError


@dataclass(frozen=True)
class LoadedWeights:
    """Names of a network's tensors that kept their own initialization, and `notices` for the user."""

    fresh: tuple[str, ...]
    notices: tuple[str, ...] = ()


def found(source: str, *, network: str, architecture: str | None, image_size: int | None) -> checkpoints.Checkpoint:
    """The tensors of `source`: "pretrained" and "packaged" are those of the timm `architecture`, else a file's.

    Raises `InvalidInputError` where the network has no such weights and `UnavailableError` where they cannot be had.
    """
    if source not in ("pretrained", "packaged"):
        return frozen.file_weights(source, name=network)
    known = timm_architecture(source, network=network, architecture=architecture)
    tensors = frozen.load(known, weights=source, image_size=image_size).module.state_dict()
    return checkpoints.Checkpoint(source, tensors, {})


def timm_architecture(source: str, *, network: str, architecture: str | None) -> str:
    """The timm `architecture` whose weights fit `network`; `InvalidInputError` where there is none."""
    if architecture is None:
        raise InvalidInputError(
            f"weights of {network} must be a file or those of an own run; got {source!r}, and timm has none for it. "
            "Train it from scratch, or use resnet18, preact18, densenet121 or vgg16 as they are."
        )
    return architecture
