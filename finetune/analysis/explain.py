"""Looking into a trained network: the filters of its first layer, Grad-CAM, and what leaves each of its stages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from finetune.architectures import networks

LEAST_SIDE = 4  # of a map of Grad-CAM: one of fewer positions says nothing of places
LAST_MAP = ""  # beside the stages' names


def first_filters(network: nn.Module) -> Tensor | None:
    """The filters [F, 3, h, w] of the first convolution, which reads the image; None without one."""
    found = (one for one in network.modules() if isinstance(one, nn.Conv2d) and one.weight.shape[1] == 3)
    first = next(found, None)
    return None if first is None else first.weight.detach().float()


@torch.no_grad()
def stage_embeddings(network: nn.Module, inputs: Tensor) -> dict[str, Tensor]:
    """What leaves each stage for `inputs` [N, 3, H, W], by the stage's name: float32 [N, C], the mean over places."""
    with _watched(network) as left:
        network(inputs)
    return {name: _mean_over_places(output).float() for name, output in left.items() if name != LAST_MAP}


def grad_cam(network: nn.Module, inputs: Tensor, classes: Tensor) -> Tensor | None:
    """Where in `inputs` [N, 3, H, W] the network finds its evidence for `classes` int64 [N]: [N, h, w], each in 0..1.

    Grad-CAM (Selvaraju et al., ICCV 2017): the maps of the last layer that has at least `LEAST_SIDE` positions a side,
    weighted by the mean gradient of the class's logit, and what is positive of their sum. All zero where nothing is
    positive. None for a network whose last stage gives no maps, such as a transformer. The network must be in
    evaluation mode: each image's map is then its own.
    """
    with torch.enable_grad(), _watched(network) as left:
        logits = network(inputs.detach().requires_grad_())
    maps = left.get(LAST_MAP)
    if maps is None or list(left.values())[-1].ndim != 4:
        return None
    (gradients,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), maps)
    found = functional.relu((gradients.mean((2, 3), keepdim=True) * maps).sum(1)).detach()
    return found / found.amax((1, 2), keepdim=True).clamp_min(1e-12)


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """While the network runs: the last output of each stage by its name, and the last map under `LAST_MAP`."""
    left: dict[str, Tensor] = {}

    def keeping(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(_module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                left.pop(name, None)  # so that the last stage to give something comes last
                left[name] = output
                if _is_map(output) and output.shape[2] >= LEAST_SIDE:
                    left[LAST_MAP] = output

        return keep

    parts = networks.stages(network)
    handles = [one.register_forward_hook(keeping(name)) for name, part in parts for one in part.modules()]
    try:
        yield left
    finally:
        for handle in handles:
            handle.remove()


def _is_map(output: Tensor) -> bool:
    """Whether it is [N, C, H, W]: of the square images of these networks, and not [N, H, W, C]."""
    return output.ndim == 4 and output.shape[2] == output.shape[3]


def _mean_over_places(output: Tensor) -> Tensor:
    if output.ndim == 4:
        return output.mean((2, 3) if _is_map(output) else (1, 2))
    return output.flatten(1, -2).mean(1) if output.ndim > 2 else output
