"""A network as a row of stages, from input to output, without its classifier.

A stage is a module that holds modules (and parameters) of the network, not copies: freezing or reading its
parameters freezes or reads the network's. It is not called.
"""

from collections.abc import Iterable
from typing import Literal

from timm.models import group_parameters
from torch import nn

Stages = list[tuple[str, nn.Module]]


def small_stem(channels: int, *, mode: Literal["fan_in", "fan_out"] = "fan_out") -> nn.Conv2d:
    """The first convolution of networks for images as small as CIFAR's: 3x3, stride 1, from He's distribution."""
    convolution = nn.Conv2d(3, channels, 3, padding=1, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode=mode, nonlinearity="relu")
    return convolution


def group(*members: nn.Module | nn.Parameter) -> nn.Module:
    """One stage that consists of `members`."""
    modules = [one for one in members if isinstance(one, nn.Module)]
    loose = [one for one in members if isinstance(one, nn.Parameter)]
    return nn.ModuleList([*modules, nn.ParameterList(loose)] if loose else modules)


def from_matcher(network: nn.Module, *, classifier: nn.Module) -> Stages:
    """The stages of a timm model by its own `group_matcher`: "stem", "stage1", ...; norms at the end join the last.

    A model without a matcher has its parts with parameters, in order, as stages. Several classifiers (of distilled
    networks) come as a `ModuleList`.
    """
    number = _numbers(network)
    members: dict[int, list[nn.Module | nn.Parameter]] = {}
    skip = {*classifier.children()} if isinstance(classifier, nn.ModuleList) else {classifier}
    for one, stage in _parts(network, number=number, skip=skip):
        members.setdefault(stage, []).append(one)
    keys = sorted(members)
    if len(keys) > 1 and all(parameter.ndim < 2 for parameter in group(*members[keys[-1]]).parameters()):
        last = members.pop(keys.pop())
        members[keys[-1]] += last
    names = ["stem", *(f"stage{index}" for index in range(1, len(members)))]
    return [(name, group(*members[key])) for name, key in zip(names, keys, strict=True)]


def _numbers(network: nn.Module) -> dict[int, int]:
    """Stage number by the identity of a parameter, all different parts numbered in order, the unmatched with the last.

    A parameter that several parts share has one name, and lies in the stage of that.
    """
    named = dict(network.named_parameters())
    found = _groups(network)
    if found is None:
        order: dict[str, int] = {}
        found = {name: order.setdefault(name.split(".")[0], len(order)) for name in named}
    return {id(named[name]): stage for name, stage in found.items()}


def _groups(network: nn.Module) -> dict[str, int] | None:
    """Stage number by parameter name, by timm's own groups, coarse ones where there are; None for a model without."""
    if not hasattr(network, "group_matcher"):
        return None
    try:
        matcher = network.group_matcher(coarse=True)  # type: ignore[operator]
    except AssertionError:  # RDNet asserts that coarse ones are not asked for
        matcher = network.group_matcher(coarse=False)  # type: ignore[operator]
    return dict(group_parameters(network, matcher, reverse=True))  # type: ignore


def _parts(
    network: nn.Module, *, number: dict[int, int], skip: set[nn.Module]
) -> Iterable[tuple[nn.Module | nn.Parameter, int]]:
    """The largest parts of `network` that lie in one stage each, with the number of that stage."""
    for parameter in network.parameters(recurse=False):
        yield parameter, number[id(parameter)]
    for child in network.children():
        inside = {number[id(parameter)] for parameter in child.parameters()}
        if child in skip or not inside:
            continue
        if len(inside) == 1 and skip.isdisjoint(child.modules()):
            yield child, inside.pop()
        else:
            yield from _parts(child, number=number, skip=skip)
