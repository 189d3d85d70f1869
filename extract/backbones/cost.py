"""Cost of one image in a network, counted on shapes alone: nothing is computed, and no weights are copied."""

import copy
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# What networks raise for shapes that they do not take, such as an empty map or a size other than the built one.
REFUSALS = (RuntimeError, ValueError, AssertionError, IndexError, TypeError, KeyError, AttributeError, ArithmeticError)

NORMS = {torch.ops.aten.native_batch_norm.default}
STEPS = "num_batches_tracked"  # of BatchNorm, which only training reads
_COUNTED: WeakKeyDictionary[nn.Module, dict[tuple[Any, ...], "NetworkCost"]] = WeakKeyDictionary()


@dataclass(frozen=True)
class NetworkCost:
    """Of one image: the `output_shape` [1, ...] that leaves the network and its `flops`, 2 per multiply-add.

    `operator_bytes` is the most that one operator holds at once, its inputs and its output; `activation_bytes` is
    everything that the operators make, most of which training keeps for the way back. Both count float32.
    """

    output_shape: tuple[int, ...]
    flops: int
    operator_bytes: int
    activation_bytes: int


def shell(module: nn.Module) -> nn.Module:
    """A copy of `module` on torch's "meta" device: the same layers and shapes without numbers.

    On a real device attention is one operator whose cost torch does not know; here it is its matrix products.
    """
    return copy.deepcopy(module, dict(_emptied(module)))


def cost(module: nn.Module, *, image_size: tuple[int, int]) -> NetworkCost:
    """The cost of one image [3, height, width] through `module` in evaluation mode.

    What the network computes once a batch, whatever the images (a table of relative positions), is left out. Raises
    what the network raises for a size that it does not take. It is counted once for a network that stays as it is:
    a training asks several times.
    """
    layers = ((type(one), one.extra_repr(), *(own.shape for own in one.parameters(False))) for one in module.modules())
    form, known = (image_size, tuple(layers)), _COUNTED.setdefault(module, {})
    if form not in known:
        known[form] = _counted(module, image_size=image_size)
    return known[form]


@torch.no_grad()
def _counted(module: nn.Module, *, image_size: tuple[int, int]) -> NetworkCost:
    images = torch.zeros(1, 3, *image_size, device="meta")
    trace = OperatorTrace(images)
    network = shell(module).eval()
    with trace, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of networks that trace themselves
        output = network(images)
    return NetworkCost(
        output_shape=tuple(output.shape),
        flops=sum(call.flops for call in trace.calls),
        operator_bytes=max((call.held_bytes for call in trace.calls), default=0),
        activation_bytes=sum(call.new_bytes for call in trace.calls),
    )


def weight_bytes(module: nn.Module) -> int:
    """Bytes of what inference keeps of `module`: its parameters, and the statistics of its norms."""
    state = module.state_dict()
    kept = [one for name, one in module.named_buffers() if name in state and not name.endswith(STEPS)]
    return sum(map(_byte_count, [*module.parameters(), *kept]))


def reason(error: Exception) -> str:
    """The first line of what a network said, or else the kind of its error in words."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else f"it says only {type(error).__name__}"


def _emptied(module: nn.Module) -> Iterator[tuple[int, Tensor]]:
    """For `copy.deepcopy`: what stands for every tensor of `module`, by identity."""
    for parameter in module.parameters():
        yield id(parameter), nn.Parameter(parameter.detach().to("meta"), requires_grad=parameter.requires_grad)
    for part in module.modules():
        for value in (*part._buffers.values(), *vars(part).values()):
            if isinstance(value, Tensor):
                yield id(value), value.detach().to("meta")


@dataclass(frozen=True)
class OperatorCall:
    """One call of an ATen operator that depends on the image: its `inputs` that do, and the tensors `made`.

    `new_bytes` are those that it makes, `held_bytes` these and its inputs; a view holds nothing of its own.
    """

    function: OpOverload
    arguments: Sequence[Any]
    inputs: list[Tensor]
    made: list[Tensor]
    flops: int
    new_bytes: int
    held_bytes: int


class OperatorTrace(TorchDispatchMode):
    """The `calls` of operators that depend on `images`, in order."""

    def __init__(self, images: Tensor) -> None:
        from torch.utils.flop_counter import flop_registry  # imports Triton: not for those who count nothing

        super().__init__()
        self.calls: list[OperatorCall] = []
        self._counts = flop_registry
        self._seen = {id(images): images}  # tensors are known by identity, so they are kept alive

    def note(self, call: OperatorCall) -> None:
        """Keeps one call."""
        self.calls.append(call)

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> object:
        output = _normalized(args[0]) if func in NORMS and not args[5] else func(*args, **(kwargs or {}))
        inputs = [one for one in tree_leaves((args, kwargs)) if id(one) in self._seen]
        made = [one for one in tree_leaves(output) if isinstance(one, Tensor)]
        if inputs and made:
            self._seen |= {id(one): one for one in made}
            count = self._counts.get(func._overloadpacket)
            flops, new_bytes, held_bytes = count(*args, out_val=made[0]) if count else 0, 0, 0
            if all(one.alias_info is None for one in func._schema.returns):
                new_bytes = sum(map(_byte_count, made))
                held_bytes = new_bytes + sum(map(_byte_count, {id(one): one for one in inputs}.values()))
            self.note(OperatorCall(func, args, inputs, made, flops, new_bytes, held_bytes))
        return output


def _normalized(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What BatchNorm by its kept statistics gives on shapes alone; torch goes through a dozen operators for it."""
    return torch.empty_like(maps), maps.new_empty(maps.shape[1]), maps.new_empty(maps.shape[1])


def _byte_count(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
