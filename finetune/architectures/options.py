"""What can be chosen about an architecture, by one name everywhere, checked once."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from extract.errors import InvalidInputError, nearest, unknown

NORMS = ("batch", "group", "none")
STEMS = ("auto", "cifar", "imagenet")
LARGEST_CIFAR_SIZE = 64


@dataclass(frozen=True)
class Options:
    """The choices about an architecture; a family has some of them and refuses the others.

    `depth` replaces the number in the name. `width` multiplies the channels, rounded to a multiple of 8.
    `growth_rate` is DenseNet's k. `dropout` is the rate before the classifier (DenseNet: after every layer, as
    in its paper). `drop_path` is the rate of stochastic depth at the last block, rising linearly from the first
    (Huang et al. 2016). `norm` is "batch", "group" or "none". `stem` "auto" is the CIFAR stem for images up to
    64 pixels and ImageNet's above.
    """

    depth: int | None = None
    width: float = 1.0
    growth_rate: int | None = None
    dropout: float = 0.0
    drop_path: float = 0.0
    norm: str = "batch"
    stem: str = "auto"

    def __post_init__(self) -> None:
        for name in ("depth", "growth_rate"):
            value = getattr(self, name)
            if value is not None and not (_is_whole(value) and value >= 1):
                raise InvalidInputError(
                    f"{name} must be a whole number from 1; got {value!r}. Leave it out for the usual."
                )
        if not (_is_number(self.width) and 0 < self.width <= 64):
            raise InvalidInputError(f"width must be a multiplier above 0, up to 64; got {self.width!r}. Usual is 1.")
        for name in ("dropout", "drop_path"):
            value = getattr(self, name)
            if not (_is_number(value) and 0 <= value < 1):
                raise InvalidInputError(f"{name} must be a rate from 0 to below 1; got {value!r}. Usual is 0 to 0.5.")

    def cifar_stem(self, image_size: int) -> bool:
        """Whether images of this size get the CIFAR stem."""
        return self.stem == "cifar" or (self.stem == "auto" and image_size <= LARGEST_CIFAR_SIZE)

    def refuse_imagenet_stem(self, network: str) -> None:
        """Raises `InvalidInputError` if an ImageNet stem was asked of a `network` that was made for CIFAR."""
        if self.stem == "imagenet":
            raise InvalidInputError(f"stem of {network} must be 'auto' or 'cifar'; got 'imagenet'. Leave --stem out.")

    def channels(self, count: int) -> int:
        """`count` channels times the width, a multiple of 8, at least 8; exactly `count` at width 1."""
        return count if self.width == 1 else max(8, round(count * self.width / 8) * 8)


NAMES = tuple(field.name for field in fields(Options))


def chosen(given: Mapping[str, Any], *, network: str, has: Iterable[str], norms: Iterable[str] = NORMS) -> Options:
    """The options of `network` that were `given` (None counts as not given), the others at their usual values.

    `has` are the options that the network's family knows, `norms` its values of `norm`. Raises `InvalidInputError`
    for an option that nobody has, that this family lacks, or with an impossible value.
    """
    present = {name: value for name, value in given.items() if value is not None}
    for name in present:
        if name not in NAMES:
            raise unknown("architecture option", name=name, known=NAMES)
        if name not in has:
            raise InvalidInputError(
                f"architecture option must be one that {network} has; got {name!r}. It has: {', '.join(has) or 'none'}."
            )
    _one_of(present, name="norm", known=norms, network=network)
    _one_of(present, name="stem", known=STEMS, network=network)
    return Options(**present)


def _one_of(present: Mapping[str, Any], *, name: str, known: Iterable[str], network: str) -> None:
    if name in present and present[name] not in known:
        raise InvalidInputError(f"unknown {name} {present[name]!r} of {network}. {nearest('', known)}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
