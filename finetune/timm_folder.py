"""A classifier as the folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` loads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from extract.backbones.transforms import Preprocessing
from extract.errors import InvalidInputError
from extract.runtime.startup import timm
from finetune.architectures import modes, networks

REFUSED = "run must be of a network as timm builds it for --format timm; got %s. Use --format onnx or torch."


def with_head(name: str, embedder: nn.Module, *, head: tuple[Tensor, Tensor], image_size: int) -> nn.Module:
    """timm's network `name` with the weights of `embedder`, which has no last layer, and an affine `head` as that.

    `head` is (weights [D, K], bias [K]). Raises `InvalidInputError` for what timm does not build so.
    """
    weights, bias = head
    network = _built(name, n_classes=len(bias), image_size=image_size)
    if not modes.takes_head(network):
        raise InvalidInputError(REFUSED % f"{name}, whose last layer has no weights and bias")
    last = {id(one) for one in networks.classifier(network).parameters()}
    free = {key for key, one in network.state_dict(keep_vars=True).items() if id(one) in last}
    found = network.load_state_dict(embedder.state_dict(), strict=False)
    if found.unexpected_keys or set(found.missing_keys) != free:
        raise InvalidInputError(REFUSED % f"{name} with other layers")
    modes.install_head(network, weights=weights.numpy(), bias=bias.numpy(), classes=range(len(bias)))
    return network


def save(
    network: nn.Module,
    folder: Path,
    *,
    name: str,
    class_names: Sequence[str],
    preprocessing: Preprocessing,
    temperature: float,
) -> None:
    """Writes config.json and model.safetensors; the last layer's logits are divided by `temperature`.

    Raises `InvalidInputError` for a network that timm does not build under `name`.
    """
    size = preprocessing.image_size
    copied = _built(name, n_classes=len(class_names), image_size=size[0])
    try:
        copied.load_state_dict(network.state_dict())
    except RuntimeError as error:
        raise InvalidInputError(REFUSED % f"{name} with other layers") from error
    with torch.no_grad():
        for parameter in networks.classifier(copied).parameters():
            parameter /= temperature
    copied.pretrained_cfg = {  # type: ignore[assignment]
        "architecture": name.partition(".")[0],
        "input_size": (3, *size),
        "interpolation": preprocessing.interpolation,
        "crop_pct": preprocessing.crop_fraction,
        "crop_mode": preprocessing.crop_mode,
        "mean": preprocessing.mean,
        "std": preprocessing.std,
        **{key: copied.pretrained_cfg[key] for key in ("first_conv", "classifier") if key in copied.pretrained_cfg},  # type: ignore[operator]
    }
    config = {"label_names": list(class_names), "num_classes": len(class_names)}
    timm.models.save_for_hf(copied, str(folder), model_config=config, safe_serialization=True)


@torch.no_grad()
def probabilities(folder: Path, images: Sequence[Image.Image]) -> Tensor:
    """float32 [N, K]: those that the network in `folder`, loaded and fed as timm does, gives for RGB images."""
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    network = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = create_transform(**resolve_model_data_config(network), is_training=False)
    return network(torch.stack([transform(image) for image in images])).softmax(1)  # type: ignore[arg-type]


def _built(name: str, *, n_classes: int, image_size: int) -> nn.Module:
    if not timm.is_model(name.partition(".")[0]):
        raise InvalidInputError(REFUSED % name)
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    size: dict[str, Any] = {"img_size": image_size} if config is not None and config.fixed_input_size else {}
    return timm.create_model(name, num_classes=n_classes, **size).eval()
