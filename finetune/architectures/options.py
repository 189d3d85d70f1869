"""Options of an architecture: depth, width, normalization, stem."""

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError, nearest
from extract.runtime.options import check, known, option, options_of, words

LARGEST_CIFAR_SIZE = 64
_option = functools.partial(option, group="Network")


@dataclass(frozen=True)
class Options:
    """The choices about an architecture; a family has some of them and refuses the others.

    `width` is rounded so that channels are multiples of 8. `drop_path` rises linearly from the first block to the last
    (Huang et al. 2016). `stem` "auto" is the CIFAR stem for images up to 64 pixels and ImageNet's above.
    """

    depth: int | None = _option(None, "Layers, in place of the number in the name.", low=1)
    width: float = _option(1.0, "Multiplier of the channels.", above=0, high=64)
    growth_rate: int | None = _option(None, "Channels that each layer of a DenseNet adds.", low=1)
    dropout: float = _option(0.0, "Rate before the classifier (DenseNet: after every layer).", low=0, below=1)
    drop_path: float = _option(0.0, "Rate of stochastic depth at the last block.", low=0, below=1)
    norm: str = _option("batch", "Normalization layers.", choices=("batch", "group", "none"))
    final_norm: bool = _option(True, "Norm before the pooling of a PreActResNet; pytorch-cifar has none.")
    stem: str = _option(
        "auto",
        "First layers; auto is that of the weights, from scratch cifar up to 64 pixels.",
        choices=("auto", "cifar", "imagenet"),
    )

    def __post_init__(self) -> None:
        check(self)

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


def chosen(
    raw: Mapping[str, Any], *, network: str, has: Collection[str], norms: Collection[str] | None = None
) -> Options:
    """The options of `network` in `raw` (None counts as not given), the others at their usual values.

    `has` are the options that the network's family knows, `norms` its values of `norm`. Raises `InvalidInputError`
    for an option that nobody has, that this family lacks, or with an impossible value.
    """
    present = {name: value for name, value in raw.items() if value is not None}
    for name in present:
        known(name, options_of(Options), what="architecture option")
        if name not in has:
            raise InvalidInputError(
                f"architecture option must be one that {network} has; got {words(name)!r}. "
                f"It has: {', '.join(map(words, has)) or 'none'}."
            )
    if norms is not None and present.get("norm", norms) not in (norms, *norms):
        raise InvalidInputError(f"unknown norm {present['norm']!r} of {network}. {nearest('', norms)}")
    return Options(**present)
