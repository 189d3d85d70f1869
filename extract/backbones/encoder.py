"""From raw images to embeddings in one module: resize, normalize, network, views; eager or compiled.

The batch always has the same shape (the last one is padded), so that a row's embedding does not depend on
where a run was cut, and it is compiled once.
"""

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from extract.backbones.frozen import Backbone
from extract.backbones.reduced import in_reduced_precision
from extract.backbones.transforms import Normalize
from extract.runtime.compiler import compiler_fault, has_compiler
from extract.runtime.devices import channels_last, split_graph, torch_device, torch_dtype

VIEWS = {"plain": ("plain",), "flip": ("plain", "mirrored")}
ENGINES = ("eager", "compiled")

# Images of 224 x 224 after which compiling has paid for itself. On a CPU it costs 10 to 40 s and saves 7 to 20 ms an
# image (resnet50, densenet121, vgg16_bn, resnetv2_50, tf_efficientnet_lite0); on a GPU it saves tenths of one.
PAYS_AFTER_IMAGES = {"cpu": 3072, "cuda": 300_000}


class Encoder(nn.Module):
    """uint8 [B, 3, h, w] -> float32 [1, B, D], by a copy of the backbone's network, which stays as it is.

    `resize` turns the raw images into levels 0..255 at the network's size; None when they come so already.
    """

    def __init__(self, backbone: Backbone, *, resize: nn.Module | None, precision: str) -> None:
        super().__init__()
        dtype = torch_dtype(precision)
        self.resize = resize or nn.Identity()
        network = copy.deepcopy(backbone.module)
        if dtype != torch.float32:
            network = in_reduced_precision(
                network,
                dtype,
                image_size=backbone.preprocessing.image_size,
                normalize=Normalize(backbone.preprocessing, torch.float32),
            )
        self.normalize = Normalize(backbone.preprocessing, next(network.parameters()).dtype)
        self.network = channels_last(network)

    def forward(self, images: Tensor) -> Tensor:
        return self.network(self.inputs(images)).float()[None]

    def inputs(self, images: Tensor) -> Tensor:
        """What the network is given for uint8 images [B, 3, h, w]; compiled, a graph of its own."""
        inputs = self.normalize(self.resize(images))
        split_graph()
        return inputs


class Mirror(nn.Module):
    """What `encoder` sees in the mirror: uint8 [B, 3, h, w] -> float32 [1, B, D], by the same network."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.network(self.encoder.inputs(images).flip(3)).float()[None]


def choose_engine(*, image_count: int, image_size: tuple[int, int], device: str) -> tuple[str, str]:
    """Eager or compiled, by the whole run's size, so that a resumed run decides alike; and what stands in the way.

    Compiling takes time that few images do not earn back: nothing stands in their way.
    """
    kind = "cuda" if device.startswith("cuda") else "cpu"
    equivalent = image_count * image_size[0] * image_size[1] / 224**2
    if equivalent < PAYS_AFTER_IMAGES[kind]:
        return "eager", ""
    if not has_compiler():
        return "eager", f"{compiler_fault()}; compiled, this run would be faster"
    return "compiled", ""


def build(
    encoder: Encoder, *, engine: str, device: str, views: Sequence[str] = ("plain",)
) -> Callable[[Tensor], Tensor]:
    """uint8 [B, 3, h, w] -> float32 [V, B, D], the named `views` in their order, on the device.

    Each view is a graph of its own, as it is or compiled with frozen weights (BatchNorm folded, weights prepacked),
    so that a view has the same bits in whatever company it is computed.
    """
    placed = encoder.eval().to(torch_device(device))
    parts = [placed if view == "plain" else Mirror(placed).eval() for view in views]
    models = parts if engine == "eager" else [_compiled(part) for part in parts]
    return models[0] if len(models) == 1 else lambda images: torch.cat([model(images) for model in models])


def _compiled(encoder: nn.Module) -> Callable[[Tensor], Tensor]:
    """Compiled on the first call. Two things act only as global settings, so they are set for the time of each call:

    freezing (as an option of `torch.compile` it is accepted and does nothing: 151 against 216 images a second), and
    the number of graphs kept per function (beyond 8 encoders in a process, the next would silently run eagerly).
    """
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor

    compiled = torch.compile(encoder, dynamic=False)

    def run(images: Tensor) -> Tensor:
        with inductor.patch(freezing=True), dynamo.patch(recompile_limit=4096, accumulated_recompile_limit=4096):
            return compiled(images)

    return run
