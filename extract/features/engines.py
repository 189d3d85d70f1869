"""What runs an encoder: torch as it is, torch's compiler, or OpenVINO; and the rule that chooses among them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from extract.backbones.reduced import is_depthwise
from extract.errors import InvalidInputError, UnavailableError, unknown
from extract.features.embed import Embedder, Encoder, MirroredEncoder, Notice
from extract.runtime import openvino_model
from extract.runtime.compiler import compiled, compiler_fault, has_compiler
from extract.runtime.devices import ENGINES, torch_device
from extract.runtime.machine import bf16_units, thread_count
from extract.runtime.openvino_model import OpenVinoModel

# Images of 224 x 224 after which getting ready has paid for itself. On a CPU torch's compiler takes 10 to 40 s and
# saves 7 to 20 ms an image (resnet50, densenet121, vgg16_bn, resnetv2_50, tf_efficientnet_lite0); on a GPU it saves
# tenths of one. OpenVINO takes 2 to 5 s and saves as much.
PAYS_AFTER_IMAGES = {"cpu": 3072, "cuda": 300_000}
OPENVINO_PAYS_AFTER_IMAGES = 768
# Leaves of the networks with which OpenVINO was ahead of compiled torch in bfloat16: resnet50, resnetv2_50,
# densenet121, tf_efficientnet_lite0, efficientnet_b0, mobilenetv3_large_100, vit_small and swin_tiny. It was behind
# with convnext_tiny (LayerNorm2d), and with vgg16_bn, whose 138 million weights are read for every image.
OPENVINO_LAYERS = {
    *("Conv2d", "Conv2dSame", "BatchNorm2d", "ReLU", "ReLU6", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Flatten"),
    *("FastAdaptiveAvgPool", "Hardsigmoid", "Hardswish", "Sigmoid", "SiLU", "Identity", "Dropout", "DropPath"),
    *("Linear", "LayerNorm", "GELU", "Softmax"),
}
OPENVINO_MOST_PARAMETERS = 64e6
IMAGES_AT_ONCE = {"openvino": 32}  # in one call, about, for each thread
CALLS_IN_FLIGHT = {"openvino": 2}  # its threads go on with the second where they would wait for the end of the first
EXACT_SHARE = 8  # of a batch, the images that layers in float32 take at a time in OpenVINO: one at 224 pixels
# So many times them make a request. Depthwise networks compute little beside what a request costs; the maps of others
# stay in the cache: with 2 densenet121 is 6 % faster than with 8, mobilenetv3_large_100 15 % slower. Bits are equal.
REQUEST = {"depthwise": 8, "other": 2}
PACKAGES = {"eager": (), "compiled": (), "openvino": ("openvino",)}  # beside torch, whose versions count


def choose_engine(
    requested: str, *, network: nn.Module, precision: str, image_count: int, image_size: tuple[int, int], device: str
) -> tuple[str, str]:
    """The engine for `requested`, one of `extract.runtime.devices.ENGINES`; and what keeps `auto` from a faster one.

    `auto` goes by the processor, the kinds of layers of `network` and the size of the whole run, so that a resumed run
    decides alike: getting ready takes time that few images do not earn back. Raises `InvalidInputError` for an engine
    that there is not, and it or `UnavailableError` for one that cannot run here.
    """
    if requested != "auto":
        _check(requested, precision=precision, device=device)
        return requested, ""
    equivalent = image_count * image_size[0] * image_size[1] / 224**2
    on_gpu = device.startswith("cuda")
    if not on_gpu and equivalent >= OPENVINO_PAYS_AFTER_IMAGES and is_ahead(network, precision=precision):
        return "openvino", ""
    if equivalent < PAYS_AFTER_IMAGES["cuda" if on_gpu else "cpu"]:
        return "eager", ""
    if not has_compiler():
        return "eager", f"{compiler_fault()}; compiled, this run would be faster"
    return "compiled", ""


def is_ahead(network: nn.Module, *, precision: str) -> bool:
    """Whether OpenVINO is here and known to compute `network` faster than compiled torch: by layers and processor."""
    kinds = {type(one).__name__ for one in network.modules() if not list(one.children())}
    is_small = sum(one.numel() for one in network.parameters()) <= OPENVINO_MOST_PARAMETERS
    known = openvino_model.is_ahead_here(precision) and kinds <= OPENVINO_LAYERS and is_small
    return known and openvino_model.is_installed()


def _check(requested: str, *, precision: str, device: str) -> None:
    if requested not in ENGINES:
        raise unknown("inference", name=str(requested), known=ENGINES)
    if requested == "compiled" and not has_compiler():
        raise UnavailableError(
            f"a C++ compiler must work for --inference compiled; {compiler_fault()}. Use --inference auto."
        )
    if requested != "openvino":
        return
    openvino_model.check()
    if device.startswith("cuda"):
        raise InvalidInputError(f"device must be cpu for --inference openvino; got {device!r}. Use --inference auto.")
    if precision != "float32" and not bf16_units():
        raise InvalidInputError(
            "precision must be float32 for --inference openvino on a processor without bfloat16 units; got "
            f"{precision!r}. Use --precision float32."
        )


def embedder(
    encoder: Encoder, *, engine: str, device: str, batch_size: int, notice: Notice, views: Sequence[str] = ("plain",)
) -> Embedder:
    """What embeds splits by `encoder` on an engine, `batch_size` images a batch."""
    model = build(encoder, engine=engine, device=device, batch_size=batch_size, views=views)
    at_once = max(IMAGES_AT_ONCE.get(engine, 0) * thread_count() // batch_size, 1)
    in_flight = CALLS_IN_FLIGHT.get(engine, 1)
    return Embedder(model, device=device, batch_size=batch_size, notice=notice, at_once=at_once, in_flight=in_flight)


def build(
    encoder: Encoder, *, engine: str, device: str, batch_size: int = 8, views: Sequence[str] = ("plain",)
) -> Callable[[Tensor], Tensor]:
    """uint8 [n, 3, h, w] -> float32 [V, n, D], the named `views` in their order, on the device.

    Each view is a graph of its own, as it is or compiled with frozen weights (BatchNorm folded, weights prepacked),
    so that a view has the same bits in whatever company it is computed.
    """
    placed = encoder.eval().to(torch_device(device))
    parts = [placed if view == "plain" else MirroredEncoder(placed).eval() for view in views]
    models = [_model(part, engine=engine, batch_size=batch_size) for part in parts]
    return models[0] if len(models) == 1 else lambda images: torch.cat([model(images) for model in models], 0)


def _model(part: nn.Module, *, engine: str, batch_size: int) -> Callable[[Tensor], Tensor]:
    if engine == "openvino":
        exact_size = max(batch_size // EXACT_SHARE, 1)
        kind = "depthwise" if any(map(is_depthwise, part.modules())) else "other"
        return OpenVinoModel(part, batch_size=min(REQUEST[kind] * exact_size, batch_size), exact_size=exact_size)
    return part if engine == "eager" else compiled(part, freezing=True)
