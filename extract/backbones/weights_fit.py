"""Tensors onto a network: names brought together, positions resampled as timm does it, and what does not fit."""

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from extract.backbones.checkpoints import Checkpoint
from extract.errors import InvalidInputError

PREFIX_DEPTH = 4  # fewer parts than this may lie before the network's own names
# What timm's own filters leave out, and what wrappers and counters of operations leave behind.
LEFT_OVER = re.compile(
    r"(^|\.)(relative_position_index|relative_coords_table|attn_mask|mask_token|n_averaged|num_batches_tracked"
    r"|total_ops|total_params)$"
)
FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained")  # as timm's modules name them
SHOWN = 3  # tensors that a refusal names of each kind


@dataclass(frozen=True)
class Free:
    """The modules that need no tensors of a file, by name.

    Tensors below `new` are never copied (a new last layer); those below `may_differ` (a replaced stem) where they fit;
    those below `absent` may be left over (a last layer that the network has not).
    """

    new: tuple[str, ...] = ()
    may_differ: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


def load(network: nn.Module, found: Checkpoint, *, free: Free) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copies the tensors `found` into `network`; (the names that kept their own initialization, what to tell a user).

    Raises `InvalidInputError` when a tensor outside the `free` modules is missing, left over or of another shape;
    nothing is loaded then.
    """
    state, notices = adapted(network, found, free=free)
    target = network.state_dict()
    _check(target, state, free=free, origin=found.origin)
    usable = {n: t for n, t in state.items() if n in target and t.shape == target[n].shape and not _below(n, free.new)}
    _check_finite(target, usable, origin=found.origin)
    network.load_state_dict(usable, strict=False)
    fresh = tuple(name for name in target if name not in usable and not _is_counter(name))
    return fresh, notices


def adapted(network: nn.Module, found: Checkpoint, *, free: Free) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors under the network's names and in its shapes, as far as timm knows how; what to tell a user of it.

    What fits as it is stays as it is.
    """
    target = network.state_dict()
    state, notices = _without_prefix(found, [name for name in target if not _is_counter(name)])
    if not any(_differences(target, state, free=free)):
        return state, notices
    filtered = _filtered(network, state)
    for name, tensor in filtered.items():
        if name in target and tensor.shape != target[name].shape and name.endswith("pos_embed"):
            filtered[name] = _resampled(network, tensor, like=target[name])
    return filtered, notices


def ordered_onto(state: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`state` under the names of `target`, matched by order: the n-th tensor of one is the n-th of the other.

    Raises `InvalidInputError` when counts or shapes differ anywhere.
    """
    if [tuple(value.shape) for value in state.values()] != [tuple(value.shape) for value in target.values()]:
        raise InvalidInputError(
            f"packaged weights must match the network tensor by tensor; got {len(state)} tensors for {len(target)} "
            "or other shapes. The package's version may have changed."
        )
    return dict(zip(target, state.values(), strict=True))


def _without_prefix(found: Checkpoint, names: list[str]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors below the prefix under which most of the `names` names lie, where that is more than without one.

    Raises `InvalidInputError` where two prefixes have as many.
    """
    tensors = found.tensors
    prefix = _best_prefix(found, names) or _common_prefix(tensors, names)
    if not prefix:
        return dict(tensors), ()
    kept = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    others = len(tensors) - len(kept)
    beside = f", and {others} tensors without it are left out" if others else ""
    return kept, (f"{found.name}: {prefix} is left out of the tensors' names{beside}",)


def _best_prefix(found: Checkpoint, names: list[str]) -> str:
    tensors = found.tensors
    plain = sum(name in tensors for name in names)
    if plain == len(names):
        return ""
    parts = (name.split(".") for name in tensors)
    prefixes = {"".join(f"{one}." for one in part[:depth]): None for part in parts for depth in range(1, PREFIX_DEPTH)}
    counts = {prefix: sum(f"{prefix}{name}" in tensors for name in names) for prefix in prefixes}
    most = max(counts.values(), default=0)
    if most <= plain or most < len(names) / 2:
        return ""
    best = [prefix for prefix, count in counts.items() if count == most]
    if len(best) > 1:
        raise InvalidInputError(
            f"weights must be of one network; got {found.origin!r}, where {' and '.join(best[:SHOWN])} both fit. "
            f"Choose with --weights {found.name}#{best[0].rstrip('.')}."
        )
    return best[0]


def _common_prefix(tensors: Mapping[str, Tensor], names: list[str]) -> str:
    """What all names begin with and none of the network's does: the others may be names that timm translates."""
    roots = {name.partition(".")[0] for name in tensors if "." in name}
    alone = len(roots) == 1 and all("." in name for name in tensors)
    return f"{min(roots)}." if alone and not roots & {name.partition(".")[0] for name in names} else ""


def _filtered(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """What timm's own filter for checkpoints of this architecture makes of `state`: other names, resampled positions.

    A filter that fails does so because the weights are another network's, which the comparison then tells.
    """
    modules = (sys.modules.get(kind.__module__) for kind in type(network).__mro__)
    timms = [one for one in modules if one is not None and one.__name__.startswith("timm.models.")]
    convert = next((getattr(one, name) for one in timms for name in FILTERS if hasattr(one, name)), None)
    if convert is None:
        return dict(state)
    try:
        found = convert(dict(state), network)
    except (LookupError, AttributeError, TypeError, ValueError, RuntimeError, AssertionError):
        return dict(state)
    return {str(name): value for name, value in found.items() if isinstance(value, Tensor)}


@torch.no_grad()
def _resampled(network: nn.Module, tensor: Tensor, *, like: Tensor) -> Tensor:
    """Position embeddings [1, N, D] for another grid, as timm does where its filters do not; else as given."""
    from timm.layers.pos_embed import resample_abs_pos_embed

    grid = getattr(getattr(network, "patch_embed", None), "grid_size", None)
    if grid is None or tensor.ndim != 3 or like.ndim != 3 or tensor.shape[2] != like.shape[2]:
        return tensor
    prefix = like.shape[1] - grid[0] * grid[1]
    old = tensor.shape[1] - prefix
    if prefix < 0 or old < 1 or int(old**0.5) ** 2 != old:
        return tensor
    return resample_abs_pos_embed(tensor, new_size=list(grid), num_prefix_tokens=prefix)


def _check(target: Mapping[str, Tensor], state: Mapping[str, Tensor], *, free: Free, origin: str) -> None:
    misfit, unlike, missing, extra = _differences(target, state, free=free)
    if not (misfit or unlike or missing or extra):
        return
    shapes = [f"{name} is {list(state[name].shape)} for {list(target[name].shape)}" for name in misfit]
    kinds = [f"{name} is {_kind(state[name])}" for name in unlike]
    found = [
        f"{len(names)} {what} ({', '.join(told[:SHOWN])}{', ...' if len(told) > SHOWN else ''})"
        for what, names, told in (
            ("of another shape", misfit, shapes),
            ("not of plain numbers with a fraction", unlike, kinds),
            ("missing", missing, missing),
            ("unexpected", extra, extra),
        )
        if names
    ]
    raise InvalidInputError(
        f"weights must fit the network; got {origin!r} with tensors that do not: {'; '.join(found)}. "
        "Name the network and options that they were made for."
    )


def _differences(target: Mapping[str, Tensor], state: Mapping[str, Tensor], *, free: Free) -> tuple[list[str], ...]:
    """The names (of another shape, of another kind, missing, left over) outside the modules `free`."""
    ours = [name for name in target if not _below(name, (*free.new, *free.may_differ))]
    misfit = [name for name in ours if name in state and state[name].shape != target[name].shape]
    unlike = [name for name in ours if name in state and name not in misfit and not _alike(state[name], target[name])]
    missing = [name for name in ours if name not in state and not _is_counter(name)]
    others = [name for name in state if name not in target and not LEFT_OVER.search(name)]
    extra = [name for name in others if not _below(name, (*free.new, *free.may_differ, *free.absent))]
    return misfit, unlike, missing, extra


def _check_finite(target: Mapping[str, Tensor], state: Mapping[str, Tensor], *, origin: str) -> None:
    """Raises `InvalidInputError` for NaN or infinity where the network itself has none (masks have)."""
    for name, tensor in state.items():
        if not tensor.isfinite().all() and target[name].isfinite().all():
            raise InvalidInputError(
                f"weights must be finite; got {origin!r}, whose {name} holds NaN or infinity. "
                "Its training went astray: give an earlier checkpoint."
            )


def _alike(tensor: Tensor, like: Tensor) -> bool:
    """Whether `tensor` can be copied onto `like` as the numbers that it holds."""
    plain = tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_meta or tensor.is_complex())
    return plain and (tensor.is_floating_point() or not like.is_floating_point())


def _kind(tensor: Tensor) -> str:
    what = "sparse " if tensor.layout != torch.strided else "without values " if tensor.is_meta else ""
    return f"{what}{tensor.dtype}".replace("torch.", "")


def _below(name: str, modules: Iterable[str]) -> bool:
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def _is_counter(name: str) -> bool:
    return name.split(".")[-1] == "num_batches_tracked"
