"""A frozen timm network: its weights, the width of its embedding, its size and its cost."""

import functools
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from extract.backbones import checkpoints, weights_fit, weights_preprocessing
from extract.backbones import weights as weights_module
from extract.backbones.cost import REFUSALS, cost, reason, weight_bytes
from extract.backbones.pooling import Pooled, pooled
from extract.backbones.transforms import Preprocessing, from_timm
from extract.errors import InvalidInputError, UnavailableError, unknown
from extract.runtime.devices import seeded
from extract.runtime.formats import written
from extract.runtime.startup import Undrawn, timm


@dataclass(frozen=True)
class Backbone:
    """A network that turns normalized images [B, 3, H, W] into embeddings [B, `dimension`].

    `module` is in evaluation mode and none of its parameters wants a gradient. `weight_bytes` are those of
    `cost.weight_bytes`. `weights_sha256` digests the tensors themselves (`weights.tensors_sha256`). `notices` tell a
    user what was chosen or assumed about the weights. `dimension` and `flops` are counted when they are first asked
    for, which raises what `measured` does.
    """

    name: str
    module: nn.Module
    preprocessing: Preprocessing
    parameter_count: int
    weight_bytes: int
    weights_sha256: str
    notices: tuple[str, ...] = ()

    @property
    def dimension(self) -> int:
        """The width of the embedding."""
        return self._measured[0]

    @property
    def flops(self) -> int:
        """Floating-point operations of one image, 2 per multiply-add."""
        return self._measured[1]

    @functools.cached_property
    def _measured(self) -> tuple[int, int]:
        return measured(self.module, self.preprocessing, name=self.name)


def names(pattern: str = "") -> list[str]:
    """timm's architectures, those that contain `pattern` (or match it, with * and ?)."""
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    return timm.list_models(wild)


@dataclass(frozen=True)
class BackboneFacts:
    """Sizes of a backbone at its own image size, and where its weights are: packaged, here (in the hub's cache), hub,
    or none. `flops` are 2 per multiply-add of one image."""

    name: str
    parameters: int
    flops: int
    image_size: int
    dimension: int
    weights: str


def facts(name: str) -> BackboneFacts:
    """The sizes of the backbone `name`, by shapes alone."""
    with warnings.catch_warnings(), torch.device("meta"), Undrawn():
        warnings.simplefilter("ignore")
        network = timm.create_model(name, num_classes=0)
    config: Any = network.pretrained_cfg
    size = tuple(config["input_size"][1:])
    found = cost(network, image_size=size)
    parameters = sum(one.numel() for one in network.parameters())
    return BackboneFacts(name, parameters, found.flops, size[0], found.output_shape[1], weights_module.place(name))


@functools.cache
def current_name(name: str) -> str:
    """The name that timm has today for a deprecated `name` ("vit_small_patch16_224_dino"); any other as it is.

    Raises `InvalidInputError` for a network that timm has removed.
    """
    if "." in name or not timm.is_model(name) or name in timm.list_models(name):
        return name
    try:
        with warnings.catch_warnings(), torch.device("meta"), Undrawn():
            warnings.simplefilter("ignore")
            config: Any = timm.create_model(name).pretrained_cfg
    except AssertionError as error:
        raise InvalidInputError(
            f"backbone must be one that timm still has; got {name!r}, which it has removed."
        ) from error
    tag = config["tag"]
    return f"{config['architecture']}.{tag}" if tag else config["architecture"]


def renamed(name: str) -> tuple[str, ...]:
    """Notices for a backbone name that timm has deprecated; none for another."""
    now = current_name(name)
    return () if now == name else (f"timm calls {name} {now} now",)


def check_name(name: str) -> None:
    """Raises `InvalidInputError` with the nearest names when timm has no such architecture or tag."""
    architecture, sign, tag = name.partition(".")
    if not timm.is_model(architecture) or (sign and not tag):
        raise unknown("backbone", name=name, known=timm.list_models(), remedy="`pipeline backbones` lists them.")
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{architecture}.*")]
    if tag and tag not in tags:
        raise unknown(f"weights tag of {architecture}", name=tag, known=tags)


@functools.cache
def check(name: str, *, image_size: int | None, pool: str, layers: tuple[int, ...] | None) -> None:
    """Raises `InvalidInputError` for a name, a size, a pooling or layers that `load` would refuse whatever the weights.

    The network is built and run on shapes alone.
    """
    check_name(name)
    name = current_name(name)
    with torch.device("meta"), Undrawn():
        network = _create(name, image_size=image_size)
        measured(pooled(network, pool=pool, layers=layers), _preprocessing(network, image_size), name=name)


def load(
    name: str,
    *,
    weights: str | Path = "pretrained",
    image_size: int | None = None,
    pool: str = "network",
    layers: tuple[int, ...] | None = None,
    seed: int = 0,
    preprocessing: weights_preprocessing.KnownPreprocessing | None = None,
) -> Backbone:
    """The frozen backbone `name` (any timm architecture, with or without a ".tag").

    `weights` is "pretrained" (timm's, from the hub or its cache), "packaged", "untrained" (random, by
    `seed`) or a file, as `checkpoints.read` takes it. `pool` "network" is the network's own pooled embedding,
    `head_hidden_size` wide; the others pool the maps of `layers` (default: the last stage). `preprocessing` holds what
    is known of it (`extract.backbones.weights_preprocessing`) and wins over what the file says, which wins over
    timm's. Raises `InvalidInputError` for what does not exist or does not fit and `UnavailableError` when the hub is
    needed and cannot be reached.
    """
    check_name(name)
    requested, name = name, current_name(name)
    network, found, notices = _created(name, weights=str(weights), image_size=image_size, seed=seed)
    notices = (*renamed(requested), *notices)
    known = {**(found.preprocessing if found else {}), **(preprocessing or {})}
    prepared = _preprocessing(network, image_size).updated(known)
    if found is not None:
        notices = (
            *notices,
            weights_preprocessing.notice(found.name, known=known, taken=prepared.as_dict(), model=name),
        )
    return frozen(network, name=name, pool=pool, layers=layers, preprocessing=prepared, notices=notices)


def frozen(
    network: nn.Module,
    *,
    name: str,
    pool: str,
    layers: tuple[int, ...] | None,
    preprocessing: Preprocessing,
    notices: tuple[str, ...] = (),
) -> Backbone:
    """A `network` that gives embeddings as a backbone: pooled as `load` says, nothing of it trained."""
    module = pooled(network, pool=pool, layers=layers)
    module.eval().requires_grad_(False)
    return Backbone(
        name=name,
        module=module,
        preprocessing=preprocessing,
        parameter_count=sum(parameter.numel() for parameter in module.parameters()),
        weight_bytes=weight_bytes(module),
        weights_sha256=weights_module.tensors_sha256(module.state_dict()),
        notices=notices,
    )


def _created(
    name: str, *, weights: str, image_size: int | None, seed: int
) -> tuple[nn.Module, checkpoints.Checkpoint | None, tuple[str, ...]]:
    """The network with its weights, the file that they are from if it is the user's, and what to tell the user."""
    if weights == "pretrained":
        return _pretrained(name, image_size), None, ()
    if weights == "untrained":
        with seeded(seed):
            return _create(name, image_size=image_size), None, ()
    with Undrawn():
        network = _create(name, image_size=image_size)
    classifier: str | tuple[str, ...] = getattr(network, "default_cfg", {}).get("classifier") or ()
    classifiers = (classifier,) if isinstance(classifier, str) else classifier
    free = weights_fit.Free(absent=tuple(dict.fromkeys(one.split(".")[0] for one in classifiers)))
    found = file_weights(weights, name=name)
    _, notices = weights_fit.load(network, found, free=free)
    return network, None if weights == "packaged" else found, (*found.notices, *notices)


def file_weights(weights: str, *, name: str) -> checkpoints.Checkpoint:
    """The tensors of the weights "packaged" or of a file for the timm network `name`, under timm's names."""
    if weights == "packaged":
        return _packaged(name)
    weights_module.weights_file(weights, backbone=name)
    return checkpoints.read(weights)


def _packaged(name: str) -> checkpoints.Checkpoint:
    found = checkpoints.read(weights_module.packaged_file(name))
    with torch.device("meta"), Undrawn():  # only its names and shapes are read; nothing is drawn
        whole = timm.create_model(name, pretrained=False)
    return replace(found, tensors=weights_fit.ordered_onto(found.tensors, whole.state_dict()))


def _pretrained(name: str, image_size: int | None) -> nn.Module:
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    others = "Use --weights packaged (tf_efficientnet_lite0 to 2), untrained or a file."
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is None or not config.has_weights:
        raise InvalidInputError(f"weights must exist on the hub for {name}; timm knows none. {others}")
    cached = weights_module.cached_file(config.hf_hub_id, config.hf_hub_filename)
    if cached is None and not weights_module.reachable():
        raise UnavailableError(
            f"weights of {name} must come from the model hub or its local cache; the cache lacks them and the hub "
            f"cannot be reached. {others}"
        )
    # Asking the hub again would take half a minute of retries where it cannot be reached.
    overlay = None if cached is None else {"file": str(cached)}
    try:
        with Undrawn():
            return _create(name, image_size=image_size, pretrained=True, pretrained_cfg_overlay=overlay)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise UnavailableError(
            f"weights of {name} must be loadable from the model hub; it answered {type(error).__name__}: "
            f"{str(error).splitlines()[0]} {others}"
        ) from error


def _create(name: str, *, image_size: int | None, **arguments: Any) -> nn.Module:
    """timm's network without its classifier; one built for a fixed size (position embeddings, windows) for another."""
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if image_size is not None and config is not None and config.fixed_input_size:
        arguments["img_size"] = image_size
    return timm.create_model(name, num_classes=0, **arguments)


def _preprocessing(network: nn.Module, image_size: int | None) -> Preprocessing:
    from timm.data.config import resolve_model_data_config

    return from_timm(resolve_model_data_config(network), image_size=image_size)


def measured(module: nn.Module, preprocessing: Preprocessing, *, name: str) -> tuple[int, int]:
    """(width of the embedding, FLOPs of one image) of `module`, the backbone `name`, on shapes alone.

    Raises `InvalidInputError` for a size or layers that it does not take, and where it gives no embedding.
    """
    height, width = preprocessing.image_size
    try:
        found = cost(module, image_size=(height, width))
    except REFUSALS as error:
        if isinstance(module, Pooled) and "out of range" in str(error):
            raise InvalidInputError(
                f"layers must be stages that {name} has; got {written(module.layers)} ({reason(error)}). "
                "Give others, or leave out --layers."
            ) from error
        raise InvalidInputError(
            f"image size must be one that {name} accepts; got {height} x {width} ({reason(error)}). "
            "Leave out --image-size."
        ) from error
    if len(found.output_shape) != 2 or not found.output_shape[1]:
        raise InvalidInputError(
            f"backbone must give one embedding an image; {name} gave a tensor of shape {found.output_shape}. "
            "Use --pool avg."
        )
    return found.output_shape[1], found.flops
