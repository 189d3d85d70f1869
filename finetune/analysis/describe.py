"""Description of a network, stage by stage: output shape, layers, parameters, multiply-adds, memory, receptive field.

Nothing is computed and no weights are drawn: the network is built and run on shapes alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import nn

from extract.backbones.cost import shell, weight_bytes
from finetune.analysis.blocks import PROJECTION, LayerBlock, blocks
from finetune.analysis.trace import TracedOperator, trace
from finetune.architectures import networks

HEAD = "head"
SHARED = ("parameters", "macs")
TOTALS = ("layers", "parameters", "macs", "activation_bytes")


@dataclass(frozen=True)
class Stage:
    """One stage of a network, for one image.

    `output_shape` is [C, H, W], or what else leaves the stage. `layers` counts convolutions and linear layers,
    without the shortcuts' projections, as the papers count depth. `activation_bytes` are those of the tensors that the
    forward pass creates in float32, most of which training keeps for the way back. `receptive_field` is in pixels of a
    side, None for the whole image.
    """

    name: str
    output_shape: tuple[int, ...]
    layers: int
    parameters: int
    macs: int
    activation_bytes: int
    receptive_field: int | None
    blocks: tuple[LayerBlock, ...]


@dataclass(frozen=True)
class Description:
    """A network's stages from input to output, the last being the "head" (pooling and classifier).

    `form` says in words what the name and the options make, `idea` what the family's paper is about, with its citation
    (None of other networks); `weight_bytes` are those of `cost.weight_bytes`. `layers`,
    `parameters`, `macs` and `activation_bytes` are the sums over the stages.
    """

    network: str
    form: str
    idea: str | None
    family: str | None
    image_size: int
    n_classes: int
    weight_bytes: int
    options: dict[str, object]
    stages: tuple[Stage, ...]
    layers: int
    parameters: int
    macs: int
    activation_bytes: int

    def as_dict(self) -> dict[str, object]:
        """Everything, in primitives; with `flops`, 2 per multiply-add, and each stage's shares of the sums."""
        stages = [{**asdict(one), **{f"{what}_share": self.share(one, what) for what in SHARED}} for one in self.stages]
        return {**asdict(self), "stages": stages, "flops": 2 * self.macs}

    def share(self, stage: Stage, what: str) -> float:
        """The share of a stage in the sum of `what`, "parameters" or "macs"."""
        return getattr(stage, what) / max(getattr(self, what), 1)


def field_text(stage: Stage, *, image_size: int) -> str:
    """The receptive field of a stage for people; one beyond the image is theoretical, for no image fills it."""
    field = stage.receptive_field
    if field is None:
        return "whole image"
    return f"{field} × {field}" if field <= image_size else f"whole image (theoretical {field})"


def describe(
    name: str, *, n_classes: int = 10, image_size: int | None = None, options: Mapping[str, object] | None = None
) -> Description:
    """The description of the network `name` (a family's or any timm architecture).

    `image_size` None is 32 for the families and what timm's architecture was made for elsewhere. Raises
    `InvalidInputError` as `networks.build` does.
    """
    architecture = networks.resolve(name, options)
    size = usual_size(name) if image_size is None else image_size
    with torch.device("meta"):
        network = architecture.build(n_classes=n_classes, image_size=size)
    stages = described(network, image_size=size)
    return Description(
        network=name,
        form=architecture.form(size),
        idea=architecture.idea,
        family=architecture.family,
        image_size=size,
        n_classes=n_classes,
        weight_bytes=weight_bytes(network),
        options={option: value for option, value in (options or {}).items() if value is not None},
        stages=stages,
        **{total: sum(getattr(stage, total) for stage in stages) for total in TOTALS},
    )


def usual_size(name: str) -> int:
    """Image side in pixels: 32 for the families, what it was made for of another timm architecture."""
    architecture = networks.resolve(name)
    return (None if architecture.family else architecture.own_size) or 32


def described(network: nn.Module, *, image_size: int) -> tuple[Stage, ...]:
    """The stages of a network that is at hand, and its head."""
    network = shell(network)
    record = trace(network, image_size=image_size)
    parts = [*networks.stages(network), (HEAD, nn.ModuleList([networks.classifier(network)]))]
    owner = {id(module): index for index, (_, part) in enumerate(parts) for module in part.modules()}
    known = {path: owner[id(module)] for path, module in network.named_modules() if id(module) in owner}
    places = _places(record.steps, known=known, head=len(parts) - 1)
    calls = [(step.path, step.operator) for step in record.steps]
    paths = {module: path for path, module in network.named_modules() if record.called[path]}
    return tuple(
        _stage(
            name,
            part=part,
            steps=[step for step, place in zip(record.steps, places, strict=True) if place == index],
            paths=paths,
            links=record.links,
            calls=calls,
        )
        for index, (name, part) in enumerate(parts)
    )


def _places(steps: Sequence[TracedOperator], *, known: Mapping[str, int], head: int) -> list[int]:
    """The stage of every step: that of the module around it, else of the step before; at the end, the head.

    The head begins with the first step in no stage behind the last matrix of the stages: a norm behind the pooling is
    of the head.
    """
    own = [_enclosing(step.path, known) for step in steps]
    inside = [place is not None and place != head for place in own]
    last = max((index for index, step in enumerate(steps) if inside[index] and step.macs), default=-1)
    while last + 1 < len(steps) and inside[last + 1]:
        last += 1
    places, present = [], 0
    for index, place in enumerate(own):
        present = head if index > last else present if place is None else place
        places.append(present)
    return places


def _enclosing(path: str, known: Mapping[str, int]) -> int | None:
    while path and path not in known:
        path = path.rpartition(".")[0]
    return known.get(path)


def _stage(
    name: str,
    *,
    part: nn.Module,
    steps: Sequence[TracedOperator],
    paths: Mapping[nn.Module, str],
    links: Mapping[str, str],
    calls: Sequence[tuple[str, str]],
) -> Stage:
    counted = [module for module in part.modules() if isinstance(module, nn.Conv2d | nn.Linear) and module in paths]
    return Stage(
        name=name,
        output_shape=steps[-1].shape if steps else (),
        layers=sum(PROJECTION not in paths[module].split(".") for module in counted),
        parameters=sum(parameter.numel() for parameter in part.parameters()),
        macs=sum(step.macs for step in steps),
        activation_bytes=sum(step.new_bytes for step in steps),
        receptive_field=steps[-1].receptive_field.field if steps and name != HEAD else None,
        blocks=blocks(part, paths=paths, links=links, calls=calls),
    )
