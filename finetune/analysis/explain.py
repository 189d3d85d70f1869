"""Looking into a trained network: the filters of its first layer, Grad-CAM, and what leaves each of its stages."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from finetune.architectures import networks

LEAST_SIDE = 4  # of a map of Grad-CAM: one of fewer positions says nothing of places
LAST_MAP = ""  # beside the stages' names
SAME_SHAPE = (nn.Dropout, nn.Identity, nn.Softmax)  # what leaves these may be the weights of an attention: no map


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
    places = _places(maps)
    (channels,) = {1, 2, 3} - {*places}
    found = functional.relu((gradients.mean(places, keepdim=True) * maps).sum(channels)).detach()
    return found / found.amax((1, 2), keepdim=True).clamp_min(1e-12)


@contextmanager
def _watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """While the network runs: the last output of each stage by its name, and the last map under `LAST_MAP`."""
    left: dict[str, Tensor] = {}

    def keeping(name: str) -> Callable[[nn.Module, object, object], None]:
        def keep(module: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor):
                left.pop(name, None)  # so that the last stage to give something comes last
                left[name] = output
                is_map = output.ndim == 4 and not isinstance(module, SAME_SHAPE)
                if is_map and output.shape[2] >= LEAST_SIDE and output.shape[2] in (output.shape[1], output.shape[3]):
                    left[LAST_MAP] = output

        return keep

    parts = networks.stages(network)
    handles = [one.register_forward_hook(keeping(name)) for name, part in parts for one in part.modules()]
    try:
        yield left
    finally:
        for handle in handles:
            handle.remove()


def _places(output: Tensor) -> tuple[int, int]:
    """The axes of the places in maps [N, C, H, W] or [N, H, W, C] of square images."""
    return (2, 3) if output.shape[2] == output.shape[3] else (1, 2)


def _mean_over_places(output: Tensor) -> Tensor:
    if output.ndim == 4:
        return output.mean(_places(output))
    return output.flatten(1, -2).mean(1) if output.ndim > 2 else output
