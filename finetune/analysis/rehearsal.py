"""Dry run of a training: one step of a recipe on shapes alone, before anything is computed."""

import warnings

import torch
from torch import Tensor, nn

from extract.backbones.cost import REFUSALS, cost, reason, shell
from extract.errors import InvalidInputError
from finetune.architectures import modes, networks
from finetune.recipes import MODES_WITH_HEAD, Recipe, small_size

ALONE = "Expected more than 1 value per channel"  # BatchNorm, of one image whose map has one position
_PASSED: set[tuple[object, ...]] = set()  # steps that work: the trials of a search take the same one again and again


def rehearse(
    network: nn.Module, *, name: str, mode: str, recipe: Recipe, image_size: int, process_count: int = 1
) -> None:
    """Raises `InvalidInputError`, in terms of the options, where training `network` in `mode` by `recipe` cannot work.

    Stages that stay as they are have been frozen before. The step has as many images as a part of a batch has in one
    of `process_count` processes, and is taken at every size that the recipe shows.
    """
    if mode in MODES_WITH_HEAD:
        _check_head(network, name=name, mode=mode, image_size=image_size)
    if mode == "frozen":
        return
    sizes = (image_size, small_size(image_size)) if recipe.small_share else (image_size,)
    for size in sizes:
        if size != image_size and not networks.accepts(network, size):
            raise InvalidInputError(
                f"small share must be 0 for a network that cannot see images of {size} pixels; got "
                f"{recipe.small_share} for {name} at {image_size} pixels. Use --small-share 0, or a larger "
                "--image-size."
            )
        _check_step(network, name=name, recipe=recipe, size=size, process_count=process_count)


def _check_step(network: nn.Module, *, name: str, recipe: Recipe, size: int, process_count: int) -> None:
    rows = recipe.batch_size // (recipe.accumulate * process_count)
    layers = ((type(one), one.extra_repr(), *map(_form, one.parameters(False))) for one in network.modules())
    step = (name, recipe.batchnorm, rows, size, *layers)
    if step in _PASSED:
        return
    try:
        shape = _step(network, recipe=recipe, rows=rows, size=size)
    except REFUSALS as error:
        if rows == 1 and str(error).startswith(ALONE):
            raise InvalidInputError(
                f"part of a batch must be at least 2 images, because BatchNorm of {name} has one value a channel of "
                f"an image of {size} pixels; got 1 (--batch-size {recipe.batch_size}, --accumulate "
                f"{recipe.accumulate}, {process_count} process{'' if process_count == 1 else 'es'}). "
                "Use a smaller --accumulate, a larger --batch-size or --batchnorm eval."
            ) from error
        raise InvalidInputError(
            f"network must be one that trains at {size} pixels; got {name}, of which a step fails ({reason(error)}). "
            "Use another --image-size or --network."
        ) from error
    outputs = getattr(network, "num_classes", None)
    if len(shape) != 2 or shape[0] != rows or outputs not in (None, shape[1]):
        raise InvalidInputError(
            f"network must give one row of logits an image when it trains; got {name}, which gives {shape} for {rows} "
            "images. Use another --network, or its features with `pipeline extract`."
        )
    _PASSED.add(step)


def _form(parameter: nn.Parameter) -> tuple[object, ...]:
    return parameter.shape, parameter.requires_grad


def _step(network: nn.Module, *, recipe: Recipe, rows: int, size: int) -> tuple[int, ...]:
    """The shape of the logits of one step forward and back; raises what the network raises."""
    empty = shell(network)
    modes.train_mode(empty, batch_norm=recipe.batchnorm)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.enable_grad():
        warnings.simplefilter("ignore")
        logits = empty(torch.zeros(rows, 3, size, size, device="meta"))
        if not isinstance(logits, Tensor) or logits.ndim != 2:
            return tuple(logits.shape) if isinstance(logits, Tensor) else (len(logits),)
        logits.float().log_softmax(1).sum().backward()
    return tuple(logits.shape)


def _check_head(network: nn.Module, *, name: str, mode: str, image_size: int) -> None:
    """Raises `InvalidInputError` where a fitted head is to be the last layer of a network that has no place for it."""
    refusal = f"mode of {name} must be full or partial:K, because %s; got {mode!r}. Use --mode full."
    if not modes.takes_head(network):
        raise InvalidInputError(refusal % "its last layer is not one with weights and a bias, which a fitted head is")
    width = networks.classifier(network).weight.shape[1]  # type: ignore[index, union-attr]
    try:
        seen = cost(networks.embedding(shell(network)), image_size=(image_size, image_size)).output_shape
    except REFUSALS as error:
        raise InvalidInputError(refusal % f"it does not run without its last layer ({reason(error)})") from error
    if seen != (1, width):
        raise InvalidInputError(refusal % f"its last layer, {width} wide, sees {seen} of an image")
