"""Spec and key of a head: the options of `pipeline fit-head`, and their values on given features."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from extract.errors import InvalidInputError
from extract.runtime.options import Option, Value, option, options_of
from heads import registry
from heads.trials import CRITERIA
from pipelines.specs import class_weights
from pipelines.specs.spec import Fields, Key, RawOptions, Spec, seed_option, validation_option, validation_part

HEAD_VERSION = 16  # raised when the same key must give another head
SHOTS_VERSION = 12  # raised when the same key must give another table
CHOOSING = ("criterion", "patience")  # what means nothing without validation images
_head = functools.partial(option, group="Head")


@dataclass(frozen=True)
class _Further:
    option: tuple[str, ...] = _head(
        (), "Any other option of the head, as in Python.", metavar="NAME=VALUE", separator=""
    )


@functools.cache
def of_heads() -> Mapping[str, Option]:
    """The options of heads that have a flag of their own, each with the kinds that have it in its help."""
    found: dict[str, list[tuple[str, Option]]] = {}
    for kind in registry.kinds():
        for name, one in registry.options(kind).items():
            if not one.rare:
                found.setdefault(name, []).append((kind, one))
    return {name: _of_kinds([kind for kind, _ in having], having[0][1]) for name, having in found.items()}


def _of_kinds(kinds: list[str], one: Option) -> Option:
    text = one.default_text if len(kinds) == 1 else ""
    return replace(one, help=f"{', '.join(kinds)}: {one.help[0].lower()}{one.help[1:]}", default_text=text)


@dataclass(frozen=True)
class HeadSpec(Spec):
    """One head on one feature file, as the options of `pipeline fit-head` describe it.

    `validation` is a share, a number of images or "none"; `options` are the head's own, named as in its search space.
    Raises `InvalidInputError` for a value that can never be right.
    """

    FURTHER: ClassVar = {**of_heads(), **options_of(_Further)}
    head: str = _head("logistic", "The kind of head.", choices=registry.kinds())
    validation: float | int | str = validation_option(0.1)
    criterion: str | None = _head(
        None,
        "Validation metric that selects the candidate.",
        choices=CRITERIA,
        default_text="what the head declares",
    )
    seed: int = seed_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", class_weights.resolved(self.options))
        if self.validation_part() is None:
            idle = [name for name in CHOOSING if name in self.options or (name == "criterion" and self.criterion)]
            if idle:
                raise InvalidInputError(
                    f"{idle[0]} must be left out without validation images; got --validation none. Leave one out."
                )

    @property
    def what(self) -> str:
        return f"the {self.head} head"

    def further(self) -> Mapping[str, Option]:
        return registry.options(self.head)

    @classmethod
    def of(cls, raw: RawOptions | None = None, **more: object) -> Self:
        """The spec of options by name; `option` holds further ones of the head as texts, each NAME=VALUE."""
        found = {**(raw or {}), **more}
        for text in options_of(_Further)["option"].read(found.pop("option", ())):
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or not name:
                raise InvalidInputError(f"option must be NAME=VALUE; got {text!r}. Write --option epochs=20.")
            if found.get(name) is not None:
                raise InvalidInputError(f"{name} must be given once; got it twice. Leave one out.")
            found[name] = value.strip()
        return super().of(found)

    def validation_part(self) -> float | int | None:
        """The validation split: a share, a count, or None for none."""
        return validation_part(self.validation)


def plain(value: Value) -> object:
    """An option's value as JSON holds it."""
    return [plain(one) for one in value] if isinstance(value, tuple) else value


@dataclass(frozen=True, kw_only=True)
class HeadKey(Key):
    """A `HeadSpec` with the digest of the features it reads."""

    features: str
    head: str
    options: Fields
    validation: float | int | None
    criterion: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ShotsKey(Key):
    """A head's options, the digest of the features it reads, numbers of labels a class, draws of each."""

    features: str
    head: str
    options: Fields
    criterion: str
    shots: list[int]
    draws: int
    seed: int


@dataclass(frozen=True)
class Repeats(Spec):
    """Repeats of a fit: the number of seeds, counted up, and the numbers of labels per class."""

    seeds: int | None = option(None, "Fit with N seeds, each a run, and show the spread.", low=1, high=1000)
    shots: tuple[int, ...] | None = option(
        None, "Few-shot table: also fit on N labels per class, for each N.", low=1, metavar="N,N,..."
    )
    draws: int | None = option(None, "Draws of those labels.", low=1, default_text="5")
    seed: int = seed_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shots is None and self.draws is not None:
            raise InvalidInputError(
                f"draws must come with --shots; got --draws {self.draws} alone. Add --shots 1,2,5,10."
            )


def resolve_head(spec: HeadSpec, *, features: str) -> HeadKey:
    """The key of a head on the features whose content digest is `features`."""
    return HeadKey(stage_version=HEAD_VERSION, validation=spec.validation_part(), **_key(spec, features))


def resolve_shots(spec: HeadSpec, *, features: str, shots: tuple[int, ...] | str, draws: int) -> ShotsKey:
    """The key of a head on few labels of the features whose content digest is `features`.

    Raises `InvalidInputError` for shots or draws below 1.
    """
    declared = options_of(Repeats)
    counts, draws = declared["shots"].read(shots), declared["draws"].read(draws)
    return ShotsKey(stage_version=SHOTS_VERSION, shots=sorted(set(counts)), draws=draws, **_key(spec, features))


def _key(spec: HeadSpec, features: str) -> Fields:
    return {
        "features": features,
        "head": spec.head,
        "options": {name: plain(value) for name, value in spec.options.items()},
        "criterion": spec.criterion or "auto",
        "seed": spec.seed,
    }
