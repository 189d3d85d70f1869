"""One image through a network on shapes alone: every operator, where it ran, what it costs and how far it sees."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from finetune.analysis.dependence import behind
from finetune.analysis.receptive_field import ReceptiveField

aten = torch.ops.aten
LINKS = {aten.add.Tensor: "add", aten.add_.Tensor: "add", aten.cat.default: "concat"}


@dataclass(frozen=True)
class TracedOperator:
    """What one operator did, inside the module at `path`: the shape that it gave (without the batch), its
    multiply-adds, the bytes that it newly holds, and what its output sees."""

    path: str
    shape: tuple[int, ...]
    macs: int
    new_bytes: int
    receptive_field: ReceptiveField


class Trace(TorchDispatchMode):
    """The steps of a forward pass; `calls` counts calls by path, `links` says what joins branches at a path."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.steps: list[TracedOperator] = []
        self.calls: Counter[str] = Counter()
        self.links: dict[str, str] = {}
        self.inside = [""]
        self._fields = {
            id(images): (images, ReceptiveField.of_image(images.shape))
        }  # tensors are known by identity, so they are kept alive

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operator and notes it, where its inputs depend on the image."""
        output = func(*args, **(kwargs or {}))
        leaves = tree_leaves((args, kwargs))
        seen = {id(one): self._fields[id(one)][1] for one in leaves if id(one) in self._fields}
        if seen:
            tensors = [one for one in tree_leaves(output) if isinstance(one, Tensor)]
            self._note(func, tensors, args, seen)
            joins = sum(id(one) in self._fields for one in leaves) > 1
            if func in LINKS and (joins or LINKS[func] == "concat"):
                self.links.setdefault(self.inside[-1], LINKS[func])
        return output

    def _note(self, func: Any, tensors: list[Tensor], args: Any, seen: dict[int, ReceptiveField]) -> None:
        fields = behind(func, arguments=args, seen=seen, shapes=[one.shape for one in tensors])
        for one, receptive_field in zip(tensors, fields, strict=True):
            self._fields[id(one)] = (one, receptive_field)
        count = flop_registry.get(func._overloadpacket)
        flops = count(*args, out_val=tensors[0]) if count else 0
        is_new = all(one.alias_info is None for one in func._schema.returns)
        new_bytes = sum(one.numel() * one.element_size() for one in tensors) if is_new else 0
        if tensors:
            self.steps.append(
                TracedOperator(self.inside[-1], tuple(tensors[0].shape[1:]), flops // 2, new_bytes, fields[0])
            )


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

        def enter(*_: Any, path: str = path) -> None:
            record.inside.append(path)
            record.calls[path] += 1

        def leave(*_: Any) -> None:
            record.inside.pop()

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
