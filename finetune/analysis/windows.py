"""Receptive fields of windows over maps [B, C, H, W]: convolutions, poolings, borders, enlarged maps."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from finetune.analysis.receptive_field import ReceptiveField, compact, shaped


def convolved(field: ReceptiveField, arguments: Sequence[Any], shape: Sequence[int]) -> ReceptiveField:
    _, weight, _, stride, padding, dilation = arguments[:6]
    groups = arguments[8]

    def channels(one: Tensor) -> Tensor:
        one = compact(one)
        if one.shape[1] == 1 or groups == 1:
            return one.amin(1, keepdim=True)
        return one.unflatten(1, (groups, -1)).amin(2).repeat_interleave(shape[1] // groups, 1)

    return windowed(field.each(channels), weight.shape[2:], stride, padding, dilation, shape)


def windowed(
    field: ReceptiveField,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    shape: Sequence[int],
) -> ReceptiveField:
    """Receptive field of a window over [B, C, H, W]; behind the border the columns go on."""
    kernel, stride, padding, dilation = ((*one, *one)[:2] for one in (kernel, stride, padding, dilation))
    pads = []
    for side in (0, 1):
        needed = (shape[side + 2] - 1) * stride[side] + dilation[side] * (kernel[side] - 1) + 1
        pads.append((padding[side], max(0, needed - padding[side] - field.first.shape[side + 2])))
    height, wide = pads

    def pooled(one: Tensor, sign: int) -> Tensor:
        one = compact(one)
        grown = _grown(one, field, *wide, sign=sign)
        if one.shape[2] == 1:
            return -max_pool2d(-grown, (1, kernel[1]), (1, stride[1]), 0, (1, dilation[1]))
        rows = torch.arange(-height[0], one.shape[2] + height[1]).clamp(0, one.shape[2] - 1)
        return -max_pool2d(-grown[:, :, rows], tuple(kernel), tuple(stride), 0, tuple(dilation))

    first, last = pooled(field.first, 1), -pooled(-field.last, -1)
    step = field.step * stride[1]
    first, last = (shaped(one[..., : shape[2], : shape[3]], tuple(shape)) for one in (first, last))
    return replace(field, first=first, last=last, step=step, coarse=max(step, field.coarse))


def _grown(one: Tensor, field: ReceptiveField, before: int, after: int, *, sign: int) -> Tensor:
    """The columns of [B, C, H, W] with those behind both borders."""
    if one.shape[3] == 1:  # of one column, or alike in all
        width, period = field.first.shape[3], 1
        one = one.expand(*one.shape[:3], width)
    width = one.shape[3]
    period = min(max(round(field.coarse / field.step), 1), width)
    columns = torch.arange(-before, width + after)
    inside = torch.where(columns < 0, columns % period, columns)
    inside = torch.where(columns >= width, width - period + (columns - width) % period, inside)
    beyond = (columns - inside) * field.step * (not field.mixed)
    return one[..., inside] + sign * beyond


def padded(field: ReceptiveField, pads: Sequence[int], shape: Sequence[int]) -> ReceptiveField:
    if len(shape) == 4 and len(pads) in (2, 4) and min(pads) >= 0 and field.first.shape[1] == shape[1]:
        rows = torch.arange(shape[2]) - (pads[2] if len(pads) == 4 else 0)
        rows = rows.clamp(0, field.first.shape[2] - 1)

        def grown(one: Tensor, sign: int) -> Tensor:
            one = compact(one)
            wide = _grown(one, field, pads[0], pads[1], sign=sign)
            return shaped(wide if one.shape[2] == 1 else wide[:, :, rows], tuple(shape))

        return replace(field, first=grown(field.first, 1), last=-grown(-field.last, -1))
    return field.each(lambda one: torch.ops.aten.constant_pad_nd(one, pads, torch.inf))


def enlarged(field: ReceptiveField, shape: Sequence[int]) -> ReceptiveField:
    """Behind linear interpolation: of the two columns around each."""
    was, now = field.first.shape[3], shape[3]
    place = ((torch.arange(now) + 0.5) * was / now - 0.5).clamp(0, was - 1)
    rows = (torch.arange(shape[2]) * field.first.shape[2] // shape[2]).clamp(0, field.first.shape[2] - 1)

    def between(one: Tensor) -> Tensor:
        return torch.minimum(one[..., place.floor().long()], one[..., place.ceil().long()])[:, :, rows]

    return field.each(between, step=field.step * was / now)
