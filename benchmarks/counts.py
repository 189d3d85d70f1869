"""FLOPs and receptive fields against independent references, on networks of as many timm modules.

FLOPs: what a head's and a network's record and `describe` state, against products counted from the shapes that
`torch.nn.functional` and `torch.matmul` see in a real forward pass. Receptive fields: against gradients. In the
reference every activation is the identity and every maximum an average, so that no path is cut, and parameters and
image are random; the field is as wide as the gradients of the middle position are not zero. Networks that take any size
are given an image that is wider than their fields, 96 pixels high. `python benchmarks/counts.py [NAME...]`
"""

import math
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import timm
import torch
from hardware import write
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from extract.backbones.cost import cost
from extract.backbones.frozen import load
from finetune.analysis.describe import describe, usual_size
from finetune.architectures import networks

CLASSES = 10
TOLERANCE = 0.01
NETWORKS = (
    *("resnet18", "resnetv2_50", "densenet121", "vgg11_bn", "tf_efficientnet_lite0", "mobilenetv3_small_050"),
    *("regnetx_002", "convnext_atto", "hrnet_w18_small", "dla46_c", "inception_v3", "inception_next_atto"),
    *("repvgg_a0", "cs3darknet_focus_s", "res2net50_26w_4s", "skresnet18", "dpn48b", "legacy_seresnet18"),
    *("ghostnet_050", "hardcorenas_a", "nf_regnet_b0", "ese_vovnet19b_slim_dw", "selecsls42", "legacy_xception"),
    *(
        "rexnet_100",
        "visformer_tiny",
        "tiny_vit_5m_224",
        "repvit_m0_9",
        "mobilevit_xxs",
        "vit_small_patch16_384",
        "swin_tiny_patch4_window7_224",
    ),
    *("deit_tiny_distilled_patch16_224", "swinv2_tiny_window8_256", "mixer_s32_224", "poolformer_s12", "pvt_v2_b0"),
    *(
        "twins_svt_small",
        "cait_xxs24_224",
        "focalnet_tiny_srf",
        "levit_128s",
        "xcit_nano_12_p16_224",
        "edgenext_xx_small",
    ),
    *("hgnetv2_b0", "mambaout_femto", "efficientvit_b0", "maxvit_rmlp_pico_rw_256", "eva02_tiny_patch14_224"),
)


class Products(TorchFunctionMode):
    """Adds up multiply-adds of convolutions, linear layers, matrix products and attention, by the shapes that meet."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs a function and counts it."""
        output = func(*args, **(kwargs or {}))
        name, tensors = func.__name__, [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        if name in ("conv1d", "conv2d"):
            self.macs += output.numel() * tensors[1][0].numel()
        elif name == "linear":
            self.macs += output.numel() * tensors[0].shape[-1]
        elif name in ("matmul", "__matmul__", "bmm", "baddbmm", "__rmatmul__"):
            self.macs += output.numel() * tensors[-2].shape[-1]
        elif name == "scaled_dot_product_attention":
            queries, keys, values = tensors[:3]
            pairs = math.prod(queries.shape[:-1]) * keys.shape[-2]
            self.macs += pairs * (queries.shape[-1] + values.shape[-1])
        elif name == "einsum":
            raise ValueError(f"products must be counted by hand; got einsum {args[0]!r}. Count it in `Products`.")
        return output


@torch.no_grad()
def counted_flops(network: nn.Module, size: int) -> int:
    """FLOPs of one image by `Products`: what a second image adds, without what is computed once a batch."""
    counts = []
    for batch in (1, 2):
        with Products() as counter:
            network.eval()(torch.zeros(batch, 3, size, size))
        counts.append(counter.macs)
    return 2 * (counts[1] - counts[0])


def linear(network: nn.Module) -> None:
    """Takes activations and maxima out of a network, and draws its numbers anew, in double precision."""
    for path, module in list(network.named_modules()):
        parent, _, last = path.rpartition(".")
        if isinstance(module, nn.MaxPool2d):
            options = (module.kernel_size, module.stride, module.padding, module.ceil_mode)
            setattr(network.get_submodule(parent), last, nn.AvgPool2d(*options))
        elif type(module).__module__ in ("torch.nn.modules.activation", "timm.layers.activations"):
            setattr(network.get_submodule(parent), last, nn.Identity())
        elif hasattr(module, "drop") and hasattr(module, "act") and isinstance(module, nn.BatchNorm2d):
            module.act = nn.Identity()
    torch.manual_seed(0)
    for parameter in network.parameters():
        parameter.data = torch.randn_like(parameter) * parameter[0].numel() ** -0.5
    network.eval().double()


def reached(network: nn.Module, height: int, width: int) -> Iterator[int | None]:
    """How many columns of an image the middle position of each stage depends on, by gradients; None for all."""
    last: dict[int, list[Tensor]] = {}
    stages = networks.stages(network)
    number_of = {id(module): number for number, (_, part) in enumerate(stages) for module in part.modules()}
    numbers = {path: number_of[id(one)] for path, one in network.named_modules() if id(one) in number_of}
    linear(network)
    present = [0]
    for path, module in network.named_modules():
        module.register_forward_hook(partial(_keep, last, present, numbers.get(path)))
    images = torch.rand(1, 3, height, width, dtype=torch.float64, requires_grad=True)
    network(images)
    for number in range(len(stages)):
        if number not in last:  # behind the pooling
            yield None
            continue
        fields = [columns(one, images, is_square=height == width) for one in last[number]]
        yield None if max(fields) == width else max(fields)


def columns(maps: Tensor, images: Tensor, *, is_square: bool) -> int:
    """How many columns of the image have a gradient of the middle position of `maps`."""
    rows = middle(maps, is_square=is_square)
    gradient = torch.autograd.grad((rows * torch.randn_like(rows)).sum(), images, retain_graph=True)[0]
    found = gradient[0].abs().sum((0, 1)).nonzero()
    return int(found.max() - found.min()) + 1


def _keep(
    last: dict[int, list[Tensor]], present: list[int], number: int | None, _: nn.Module, __: Any, output: Any
) -> None:
    """Notes the maps of a stage; what is in no stage belongs to the one before it."""
    present[0] = present[0] if number is None else number
    maps = [one for one in tree_leaves(output) if isinstance(one, Tensor) and one.ndim > 2]
    if maps and maps[-1].numel() > maps[-1].shape[1]:  # not behind the pooling
        last[present[0]] = maps


def middle(maps: Tensor, *, is_square: bool) -> Tensor:
    """What [B, C, H, W], [B, H, W, C] or [B, N, C] holds at the middle position."""
    if maps.ndim == 3:
        side = int(maps.shape[1] ** 0.5)
        return maps[:, maps.shape[1] - side * side + side // 2 * (side + 1)]
    if is_square and maps.shape[1] == maps.shape[2] != maps.shape[3]:
        return maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
    return maps[:, :, maps.shape[2] // 2, maps.shape[3] // 2]


def compared(name: str) -> dict[str, Any]:
    """One row of the result."""
    size = usual_size(name) if networks.resolve(name).family is None else 224
    network = networks.build(name, n_classes=CLASSES, image_size=size)
    described = describe(name, n_classes=CLASSES, image_size=size)
    backbone = load(name, weights="untrained", image_size=size)
    flops = {
        "counter": counted_flops(network, size),
        "network_record": cost(network, image_size=(size, size)).flops,
        "head_record": backbone.flops + 2 * backbone.dimension * CLASSES,
        "describe": 2 * described.macs,
    }
    stated = [stage.receptive_field for stage in described.stages[:-1]]
    fixed = None in stated or any(word in name for word in ("swin", "vit", "twins", "mixer", "focal"))
    widest = max((one for one in stated if one), default=0)
    shape = (size, size) if fixed else (96, max(size, 64 * math.ceil((widest + 64) / 64)))
    found = list(reached(network, *shape))
    fields = [
        {"stage": stage.name, "stated": one, "gradients": other}
        for stage, one, other in zip(described.stages, stated, found, strict=False)
    ]
    agree = all(abs(one / flops["counter"] - 1) <= TOLERANCE for one in flops.values())
    fit = [one for one in fields if one["stated"] is None or one["stated"] <= shape[1]]
    return {
        "network": name,
        "module": timm.models.model_entrypoint(name).__module__,
        "image_size": size,
        "flops": flops,
        "flops_agree": agree,
        "reference_image": shape,
        "fields": fields,
        "fields_agree": all(one["stated"] == one["gradients"] for one in fit),
    }


def main() -> None:
    """Compares all networks, or those that are named, and writes the result of all."""
    rows = []
    for name in sys.argv[1:] or NETWORKS:
        rows.append(compared(name))
        row = rows[-1]
        wrong = [tuple(one.values()) for one in row["fields"] if one["stated"] != one["gradients"]]
        print(
            name,
            row["flops_agree"],
            row["fields_agree"],
            row["flops"] if not row["flops_agree"] else "",
            wrong,
            flush=True,
        )
    if not sys.argv[1:]:
        totals = {key: sum(row[key] for row in rows) for key in ("flops_agree", "fields_agree")}
        modules = len({row["module"] for row in rows})
        result = {"networks": len(rows), "modules": modules, **totals, "rows": rows}
        print(write("counts", result, libraries=("torch", "timm")))


if __name__ == "__main__":
    main()
