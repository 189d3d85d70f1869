"""Modes of fine-tuning: trained and frozen stages, their learning rates, and the head's replacement.

Kornblith et al., "Do better ImageNet models transfer better?" (CVPR 2019) for batch statistics; Kumar et al.,
"Fine-tuning can distort pretrained features" (ICLR 2022) for the fitted head as a start (LP-FT).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from extract.errors import InvalidInputError
from finetune.architectures import networks

ABSENT_MARGIN = 20.0  # in logits: how far a class that the head has never seen lies below the mean of the others


def freeze(network: nn.Module, *, trained_stages: int) -> None:
    """Leaves only the last `trained_stages` stages and the classifier to be trained.

    Frozen parameters want no gradient; frozen modules stay in evaluation mode under `train_mode`. Raises
    `InvalidInputError` where the network has fewer stages.
    """
    stages = networks.stages(network)
    if trained_stages > len(stages):
        raise InvalidInputError(
            f"partial must be at most the {len(stages)} stages of the network "
            f"({', '.join(name for name, _ in stages)}); got {trained_stages}. "
            "Give a smaller number, or --mode full."
        )
    for _, stage in stages[: len(stages) - trained_stages]:
        stage.requires_grad_(False)


def thaw(network: nn.Module, *, fresh: Sequence[str]) -> None:
    """Lets the stages learn that hold `fresh` tensors (outside the classifier), whatever is frozen around them.

    So do the following ones up to the first BatchNorm, whose statistics are those of another stem: they begin anew,
    and follow the batches under every `batch_norm` of `train_mode`.
    """
    last = list(networks.classifier(network).modules())
    new = {name for name in fresh if network.get_submodule(name.rpartition(".")[0]) not in last}
    open_ended = False
    followed: list[str] = []
    places = {id(module): name for name, module in network.named_modules()}
    for _, stage in networks.stages(network):
        own = {id(one) for one in stage.parameters()}
        if not open_ended and not any(name in new and id(one) in own for name, one in network.named_parameters()):
            continue
        stage.requires_grad_(True)
        norms = list(batch_norms(stage))
        for norm in norms:
            norm.reset_running_stats()
            followed.append(places[id(norm)])
        open_ended = not norms
    network.fresh_norms = tuple(followed)  # type: ignore[assignment]


def train_mode(network: nn.Module, *, batch_norm: str = "train") -> None:
    """Training mode for what is trained; evaluation mode for frozen modules, and for every BN where "eval" is asked.

    A module is frozen where none of its parameters, and none of the modules around it, is trained. A BN behind a fresh
    stem (`thaw`) has no statistics to keep.
    """
    network.train()
    _still_where_frozen(network)
    if batch_norm == "eval":
        fresh = {id(network.get_submodule(name)) for name in getattr(network, "fresh_norms", ())}
        for module in batch_norms(network):
            module.train(id(module) in fresh)


def adapt_batch_norm(network: nn.Module, *, steps_per_epoch: int) -> None:
    """Gives every BN the momentum max(1 - 10 / steps per epoch, 0.9) in Keras' sense, so min(10 / steps, 0.1) here.

    In short trainings the running statistics then still forget those of the pretraining (Kornblith et al.).
    """
    for module in batch_norms(network):
        module.momentum = min(10 / max(steps_per_epoch, 1), 0.1)


def batch_norms(network: nn.Module) -> Iterator[_BatchNorm]:
    """The batch-normalization layers, in order."""
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            yield module


def rate_factors(network: nn.Module, *, layer_decay: float) -> dict[str, float]:
    """Parameter name -> factor on its learning rate: the classifier's is 1, a stage's `layer_decay` x the next one's.

    (Howard and Ruder, "Universal language model fine-tuning", ACL 2018; by stage, not by layer.)
    """
    stages = networks.stages(network)
    depth = {id(one): index for index, (_, stage) in enumerate(stages) for one in stage.parameters()}
    return {
        name: layer_decay ** (len(stages) - depth.get(id(parameter), len(stages)))
        for name, parameter in network.named_parameters()
    }


def takes_head(network: nn.Module) -> bool:
    """Whether the last layer is one layer with weights and a bias, which can be an affine head.

    `airbench94` has no bias; distilled networks have two last layers.
    """
    layer = networks.classifier(network)
    return all(isinstance(getattr(layer, name, None), nn.Parameter) for name in ("weight", "bias"))


@torch.no_grad()
def install_head(network: nn.Module, *, weights: np.ndarray, bias: np.ndarray, classes: Sequence[int]) -> None:
    """Copies an affine head for raw embeddings, weights [D, K] and bias [K], into the last layer.

    `classes` [K] are the outputs that its columns stand for. An output without a column is never the likeliest:
    its logit is the mean of the others less a margin. Raises `InvalidInputError` where the widths differ, and for a
    network that `takes_head` denies.
    """
    if not takes_head(network):
        raise InvalidInputError(
            "last layer must be one with weights and a bias to be a head; got another. Train it whole."
        )
    layer: Any = networks.classifier(network)  # a linear layer or a 1x1 convolution
    kept = layer.weight
    if weights.shape[0] != kept.shape[1] or max(classes) >= kept.shape[0]:
        raise InvalidInputError(
            f"head must fit the last layer, {kept.shape[1]} wide with {kept.shape[0]} outputs; got one that is "
            f"{weights.shape[0]} wide. Extract the features of this very network."
        )
    rows, outputs = torch.as_tensor(list(classes)), kept.shape[0]
    columns = torch.from_numpy(np.ascontiguousarray(weights.T)).double()
    offsets = torch.from_numpy(np.ascontiguousarray(bias)).double()
    matrix, offset = columns.mean(0).repeat(outputs, 1), (offsets.mean() - ABSENT_MARGIN).repeat(outputs)
    matrix[rows], offset[rows] = columns, offsets
    layer.weight.copy_(matrix.view(kept.shape))
    layer.bias.copy_(offset)


def _still_where_frozen(module: nn.Module) -> None:
    if not any(parameter.requires_grad for parameter in module.parameters()):
        module.eval()
        return
    for child in module.children():
        if any(True for _ in child.parameters()):
            _still_where_frozen(child)
