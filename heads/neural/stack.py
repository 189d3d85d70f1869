"""Many small networks of one shape as one: stacked weights, so that a batch meets all of them at once.

The first layer, where nearly all of the arithmetic is, is one matrix product [B, D] @ [D, G H]; later
layers are batched products over the G members. Members differ in learning rate and weight decay; they
share their initial weights and dropout masks, so that each learns what it would have learned alone.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch.nn.functional import relu


def dropout_mask(rows: int, columns: int, *, share: float, generator: torch.Generator) -> torch.Tensor:
    """float32 [rows, columns] on the generator's device: 0 for about `share` of the entries, the others such that
    the mean stays 1. One random byte an entry (shares are rounded to 1/256): 20 times faster than bernoulli_ on CPUs.
    """
    drawn = torch.empty(-(-rows * columns // 8), dtype=torch.int64, device=generator.device)
    drawn.random_(-(2**63), None, generator=generator)  # type: ignore[call-overload]
    kept = min(max(round((1 - share) * 256), 1), 256)
    mask = (drawn.view(torch.uint8)[: rows * columns] < kept).view(rows, columns)
    return mask.float().mul_(256 / kept)


class BatchedMLP:
    """G multilayer perceptrons D -> hidden... -> K with ReLU and dropout between layers; no hidden is linear."""

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        member_count: int,
        dropout: float,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        """`sizes` are D, the hidden widths, and K. The last layer starts at zero where it is the only one."""
        self.member_count = member_count
        self._dropout = dropout
        self.weights: list[torch.Tensor] = []
        self.biases: list[torch.Tensor] = []
        for depth, (width, out) in enumerate(itertools.pairwise(sizes)):
            spread = 0.0 if len(sizes) == 2 else math.sqrt((2.0 if depth < len(sizes) - 2 else 1.0) / width)
            weight = torch.randn(width, out, generator=generator) * spread
            stacked = weight.repeat(1, member_count) if depth == 0 else weight.repeat(member_count, 1, 1)
            bias_shape = (member_count * out,) if depth == 0 else (member_count, 1, out)
            self.weights.append(stacked.to(device).requires_grad_())
            self.biases.append(torch.zeros(bias_shape, device=device, requires_grad=True))

    @property
    def parameters(self) -> list[torch.Tensor]:
        """All weights and biases."""
        return [*self.weights, *self.biases]

    def per_member(self, values: Sequence[float], parameter: torch.Tensor) -> torch.Tensor:
        """`values` [G] shaped to broadcast against `parameter`, entry g on what belongs to member g."""
        given = torch.tensor(values, dtype=torch.float32, device=parameter.device)
        if parameter.ndim == 3:
            return given[:, None, None]
        return given.repeat_interleave(parameter.shape[-1] // self.member_count)

    def masks(self, row_count: int, generator: torch.Generator) -> list[torch.Tensor]:
        """Dropout masks [B, H] for one batch; empty where there is no dropout."""
        if not self._dropout:
            return []
        widths = [weight.shape[1] for weight in self.weights[1:]]
        return [dropout_mask(row_count, width, share=self._dropout, generator=generator) for width in widths]

    def logits(self, features: torch.Tensor, masks: Sequence[torch.Tensor] = ()) -> torch.Tensor:
        """float32 [G, B, K] for `features` [B, D], multiplied in the precision of `features`."""
        dtype = features.dtype
        first = (features @ self.weights[0].to(dtype)).float() + self.biases[0]
        hidden = first.view(len(features), self.member_count, -1).transpose(0, 1)  # [G, B, H]
        for depth, (weight, bias) in enumerate(zip(self.weights[1:], self.biases[1:], strict=True)):
            hidden = relu(hidden)
            if masks:
                hidden = hidden * masks[depth]
            hidden = torch.bmm(hidden.to(dtype), weight.to(dtype)).float() + bias
        return hidden

    def snapshot(self) -> list[torch.Tensor]:
        """Copies of all parameters."""
        return [parameter.detach().clone() for parameter in self.parameters]

    def keep(self, kept: list[torch.Tensor], chosen: torch.Tensor) -> None:
        """Overwrites in `kept` (a snapshot) the members where `chosen` bool [G] with their present values."""
        for copy, parameter in zip(kept, self.parameters, strict=True):
            mask = self.per_member(chosen.float().tolist(), parameter).bool()
            copy.copy_(torch.where(mask, parameter.detach(), copy))

    def member(self, index: int, parameters: list[torch.Tensor]) -> list[torch.Tensor]:
        """[W1, b1, W2, b2, ...] float32 of one member of a snapshot, for standardized features."""
        half = len(self.weights)
        width = parameters[half].shape[0] // self.member_count
        part = slice(index * width, (index + 1) * width)
        arrays = [parameters[0][:, part].contiguous(), parameters[half][part]]
        for depth in range(1, half):
            arrays += [parameters[depth][index], parameters[half + depth][index, 0]]
        return arrays
