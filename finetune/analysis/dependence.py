"""Dependence of a torch operator's output on the image, from that of its inputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import reduce

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from extract.backbones.cost import OperatorCall
from finetune.analysis import windows
from finetune.analysis.receptive_field import ReceptiveField, compact, shaped

MOVES = (
    *("view", "_unsafe_view", "permute", "transpose", "t", "slice", "select", "unsqueeze", "squeeze", "expand"),
    *("clone", "_to_copy", "alias", "detach", "cat", "stack", "roll", "split", "split_with_sizes", "unbind", "unfold"),
    *("flip", "repeat", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "im2col", "upsample_nearest2d"),
)
PRODUCTS = {"mm": 0, "bmm": 0, "addmm": 1, "baddbmm": 1}  # and which argument is the left matrix
REDUCTIONS = {**dict.fromkeys(("mean", "sum", "amax", "var_mean", "var", "max", "prod"), 1), "linalg_vector_norm": 2}
OVER_ALL = ("_softmax", "_safe_softmax", "_log_softmax")  # along one dimension, which stays
PADDINGS = ("constant_pad_nd", "reflection_pad2d", "replication_pad2d")
WINDOWS = {"max_pool2d_with_indices": (1, 2, 3, 4), "avg_pool2d": (1, 2, 3, None)}  # kernel, stride, padding, dilation
EMPTY = torch.tensor(torch.inf)
Fields = Mapping[int, ReceptiveField]  # by the identity of their tensors


def behind(call: OperatorCall, *, seen: Fields) -> list[ReceptiveField]:
    """The fields of the tensors that an operator made; `seen` are those of its inputs."""
    fields, shapes = [seen[id(one)] for one in call.inputs], [one.shape for one in call.made]
    united = reduce(_facts, fields)
    found = _special(call, seen, united) or [_elementwise(fields, shape, united) for shape in shapes]
    return [
        one if one.first.shape == shape else _everything(fields, shape, united)
        for one, shape in zip(found, shapes, strict=True)
    ]


def _special(call: OperatorCall, seen: Fields, united: ReceptiveField) -> list[ReceptiveField] | None:
    """What is known of an operator; None for one that works element by element."""
    name, arguments = _name(call), call.arguments
    shapes = [one.shape for one in call.made]
    field = seen.get(id(arguments[0]))
    if name in MOVES:
        return _moved(call, seen, united)
    if name in PRODUCTS:
        left, right = (seen.get(id(one)) for one in arguments[PRODUCTS[name] :][:2])
        sides = [one.over([dim]) for one, dim in ((left, -1), (right, -2)) if one is not None]
        return [_elementwise(sides, shapes[0], reduce(_facts, sides, united))]
    if field is None:
        return None
    if len(shapes[0]) != 4 and (name == "convolution" or name in WINDOWS):
        return [_everything([field], shape, united) for shape in shapes]
    if name in PADDINGS:
        return [windows.padded(field, arguments[1], shapes[0])]
    if name.startswith("upsample_bi"):
        return [windows.enlarged(field, shapes[0])]
    if name == "convolution" and not arguments[6]:
        return [windows.convolved(field, arguments, shapes[0])]
    if name in WINDOWS:
        kernel, stride, padding, dilation = (
            arguments[at] if at is not None and at < len(arguments) else () for at in WINDOWS[name]
        )
        pooled = windows.windowed(field, kernel, stride or kernel, padding or (0, 0), dilation or (1, 1), shapes[0])
        return [pooled] * len(shapes)
    return _together(call, field)


def _together(call: OperatorCall, field: ReceptiveField) -> list[ReceptiveField] | None:
    """Behind sums and norms, where all positions along some dimensions meet."""
    name, arguments, everywhere = _name(call), call.arguments, range(field.first.ndim)
    if name in REDUCTIONS and len(arguments) > REDUCTIONS[name]:
        given = arguments[REDUCTIONS[name]]
        dims: Sequence[int] = (given if isinstance(given, list | tuple) else [given]) or everywhere
    elif name in OVER_ALL:
        dims = [arguments[1]]
    elif name in ("native_layer_norm", "native_group_norm"):
        dims = everywhere[-len(arguments[1]) :] if name == "native_layer_norm" else everywhere[1:]
    else:
        return None
    met = field.over(dims)
    fewer = met.each(lambda one: one.squeeze(tuple(dims)))  # of a reduction that keeps no dimensions
    return [(met if one.ndim == len(everywhere) else fewer).shaped(one.shape) for one in call.made]


def _moved(call: OperatorCall, seen: Fields, united: ReceptiveField) -> list[ReceptiveField]:
    """The elements in their new places; what does not depend on the image is empty."""
    name, arguments, shape = _name(call), call.arguments, call.made[0].shape

    def moved(part: Callable[[ReceptiveField], Tensor]) -> list[Tensor]:
        def taken(one: object) -> object:
            if id(one) in seen:
                return part(seen[id(one)])
            return EMPTY.expand(one.shape) if isinstance(one, Tensor) else one

        if name in ("view", "_unsafe_view"):
            return [part(seen[id(arguments[0])]).reshape(shape)]
        made = getattr(torch.ops.aten, name)(*tree_map(taken, arguments))
        return list(made) if isinstance(made, list | tuple) else [made]

    step = united.step
    if name == "slice" and len(arguments) > 4 and arguments[1] % len(arguments[0].shape) == 3:
        step *= arguments[4]
    if name == "upsample_nearest2d":
        step *= arguments[0].shape[-1] / shape[-1]
    firsts, lasts = moved(lambda one: one.first), moved(lambda one: -one.last)
    return [replace(united, first=first, last=-last, step=step) for first, last in zip(firsts, lasts, strict=True)]


def _name(call: OperatorCall) -> str:
    return call.function._overloadpacket.__name__.removesuffix("_")


def _facts(one: ReceptiveField, other: ReceptiveField) -> ReceptiveField:
    """The facts of what depends on both: steps are those of the larger map."""
    larger = one if one.first.numel() >= other.first.numel() else other
    return replace(larger, coarse=max(one.coarse, other.coarse), mixed=one.mixed or other.mixed)


def _elementwise(fields: Sequence[ReceptiveField], shape: Sequence[int], united: ReceptiveField) -> ReceptiveField:
    try:
        parts = [
            [compact(one) for one in both] for both in ([one.first for one in fields], [-one.last for one in fields])
        ]
        first, last = (shaped(reduce(torch.minimum, part), tuple(shape)) for part in parts)
    except RuntimeError:
        return _everything(fields, shape, united)
    return replace(united, first=first, last=-last)


def _everything(fields: Sequence[ReceptiveField], shape: Sequence[int], united: ReceptiveField) -> ReceptiveField:
    first, last = min(float(one.first.amin()) for one in fields), max(float(one.last.amax()) for one in fields)
    return replace(united, first=torch.tensor(first).expand(shape), last=torch.tensor(last).expand(shape), mixed=True)
