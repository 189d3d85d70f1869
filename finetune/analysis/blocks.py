"""Blocks of a stage: its blocks, each with its layers and what joins its branches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from torch import nn

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
PROJECTION = "downsample"
JOIN = "join"  # where a block's branches meet
# What operators without weights of note are called, as far as a drawing of one block names them.
OPERATORS = {
    **dict.fromkeys(("native_batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm"), "batch norm"),
    "native_group_norm": "group norm",
    "native_layer_norm": "layer norm",
    "relu": "ReLU",
    "hardtanh": "ReLU6",
    "gelu": "GELU",
    "silu": "SiLU",
    "hardswish": "hard swish",
}


@dataclass(frozen=True)
class LayerBlock:
    """`count` equal blocks in a row. `layers` says what their convolutions, linear layers and poolings are; `link`
    is "add" for a residual block, "concat" for one that sees all maps before it, None for plain layers. `steps` are all
    of one block in order, norms and activations too, and `JOIN` where the link comes in.
    """

    kind: str
    count: int
    layers: tuple[str, ...]
    link: str | None
    steps: tuple[str, ...] = field(default=(), compare=False)


def blocks(
    part: nn.Module, *, paths: Mapping[nn.Module, str], links: Mapping[str, str], calls: Sequence[tuple[str, str]]
) -> tuple[LayerBlock, ...]:
    """The blocks of a stage in order; equal neighbors are one. `paths` holds the modules that were called, `calls`
    (path, operator) in order."""
    singles = [_block(unit, paths=paths, links=links, calls=calls) for unit in _units(part, paths=paths)]
    equal = groupby((one for one in singles if one.layers), key=lambda one: one)
    return tuple(replace(one, count=len(list(same))) for one, same in equal)


def _units(part: nn.Module, *, paths: Mapping[nn.Module, str]) -> Iterator[list[nn.Module]]:
    """Blocks, each alone, and runs of plain layers between them."""
    for plain, children in groupby(_opened(part, paths=paths), key=_is_plain):
        run = list(children)
        yield from [run] if plain else [[child] for child in run]


def _opened(part: nn.Module, *, paths: Mapping[nn.Module, str]) -> Iterator[nn.Module]:
    for child in part.children():
        if isinstance(child, CONTAINERS) or _holds_blocks(child):
            yield from _opened(child, paths=paths)
        elif child in paths:
            yield child


def _holds_blocks(module: nn.Module) -> bool:
    rows = [child for child in module.children() if isinstance(child, nn.Sequential | nn.ModuleList)]
    return any(not _is_plain(one) and not isinstance(one, CONTAINERS) for row in rows for one in row)


def _is_plain(module: nn.Module) -> bool:
    """Whether this is one layer: a module whose parts, such as the activation of a norm, have no parameters."""
    return not any(True for child in module.children() for _ in child.parameters())


def _block(
    unit: list[nn.Module],
    *,
    paths: Mapping[nn.Module, str],
    links: Mapping[str, str],
    calls: Sequence[tuple[str, str]],
) -> LayerBlock:
    first = unit[0]
    if _is_plain(first):
        steps = _steps(unit, None, paths=paths, calls=calls)
        return LayerBlock("layers", 1, tuple(filter(None, map(_label, unit))), None, steps)
    inside = [module for name, module in first.named_modules() if PROJECTION not in name.split(".")]
    labels = tuple(filter(None, (_label(module) for module in inside if module in paths)))
    link = links.get(paths[first])
    return LayerBlock(type(first).__name__, 1, labels, link, _steps(unit, link, paths=paths, calls=calls))


def _steps(
    unit: list[nn.Module], link: str | None, *, paths: Mapping[nn.Module, str], calls: Sequence[tuple[str, str]]
) -> tuple[str, ...]:
    """What the unit does in order; a concatenation is told where its own maps are ready, at the end."""
    at, found = {path: module for module, path in paths.items()}, []
    own = [paths[module] for module in unit if module in paths]
    for path, operator in calls:
        if not any(path == one or path.startswith(f"{one}.") for one in own) or PROJECTION in path.split("."):
            continue
        if link == operator == "add" and path in own:
            found.append(JOIN)
        else:
            found.append(OPERATORS.get(operator) or (_label(at[path]) if path in at else ""))
    return (*filter(None, found), *([JOIN] if link == "concat" else []))


def _label(layer: nn.Module) -> str:
    """What a layer does, in a few words; "" for norms, activations and whatever else draws no attention."""
    if isinstance(layer, nn.Conv2d):
        depthwise = "depthwise " if layer.groups == layer.in_channels > 1 else ""
        grouped = f", {layer.groups} groups" if layer.groups > 1 and not depthwise else ""
        return f"{_size(layer.kernel_size)} {depthwise}conv, {layer.out_channels}{grouped}{_stride(layer.stride)}"
    if isinstance(layer, nn.Linear):
        return f"linear, {layer.out_features}"
    if isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        kind = "max" if isinstance(layer, nn.MaxPool2d) else "average"
        return f"{_size(layer.kernel_size)} {kind} pool{_stride(layer.stride)}"
    return ""


def _size(kernel: int | tuple[int, ...]) -> str:
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    return f"{height}×{width}"


def _stride(stride: int | tuple[int, ...] | None) -> str:
    step = stride if isinstance(stride, int) or stride is None else stride[0]
    return f", /{step}" if step and step > 1 else ""
