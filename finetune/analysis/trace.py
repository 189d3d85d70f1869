"""One image through a network on shapes alone: every operator, where it ran, what it costs and how far it sees."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from extract.backbones.cost import OperatorCall, OperatorTrace
from finetune.analysis.dependence import behind
from finetune.analysis.receptive_field import ReceptiveField

aten = torch.ops.aten
LINKS = {aten.add.Tensor: "add", aten.add_.Tensor: "add", aten.cat.default: "concat"}


@dataclass(frozen=True)
class TracedOperator:
    """One call of an operator, inside the module at `path`: its name, the shape that it gave (without the batch), its
    multiply-adds, the bytes that it newly holds, and what its output sees."""

    path: str
    operator: str
    shape: tuple[int, ...]
    macs: int
    new_bytes: int
    receptive_field: ReceptiveField


class Trace(OperatorTrace):
    """The steps of a forward pass; `called` counts calls by path, `links` says what joins branches at a path."""

    def __init__(self, images: Tensor) -> None:
        super().__init__(images)
        self.steps: list[TracedOperator] = []
        self.called: Counter[str] = Counter()
        self.links: dict[str, str] = {}
        self.inside = [""]
        self._fields = {id(images): ReceptiveField.of_image(images.shape)}

    def note(self, call: OperatorCall) -> None:
        """Adds the step of one call."""
        super().note(call)
        fields = behind(call, seen=self._fields)
        self._fields |= {id(one): field for one, field in zip(call.made, fields, strict=True)}
        shape = tuple(call.made[0].shape[1:])
        name = str(call.function.overloadpacket).rpartition(".")[2].rstrip("_")
        self.steps.append(TracedOperator(self.inside[-1], name, shape, call.flops // 2, call.new_bytes, fields[0]))
        link = LINKS.get(call.function)
        if link == "concat" or (link and len(call.inputs) > 1):
            self.links.setdefault(self.inside[-1], link)


@torch.no_grad()
def trace(network: nn.Module, *, image_size: int) -> Trace:
    """The steps of one image through `network` in evaluation mode, on the device where the network lies.

    On torch's "meta" device nothing is computed. Raises what the network raises for a size that it does not take.
    """
    was_training = network.training
    images = torch.zeros(1, 3, image_size, image_size, device=next(network.parameters()).device)
    record = Trace(images)
    with _watched(network.eval(), record), record:
        network(images)
    network.train(was_training)
    return record


@contextmanager
def _watched(network: nn.Module, record: Trace) -> Iterator[None]:
    handles = []
    for path, module in network.named_modules():

        def enter(*_: object, path: str = path) -> None:
            record.inside.append(path)
            record.called[path] += 1

        def leave(*_: object) -> None:
            record.inside.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
