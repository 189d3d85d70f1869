"""What a run of a head is: the options of `pipeline fit-head`, and what they mean on given features."""

import functools
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError
from extract.runtime.options import Value, option, options_of
from pipelines.specs.key import Key
from pipelines.specs.spec import Spec, seed_option, validation_option, validation_part

HEAD_VERSION = 11  # raised when the same key must give another head
SHOTS_VERSION = 7  # raised when the same key must give another table
# As in `heads.registry`, which needs torch.
KINDS = ("logistic", "linear", "mlp", "knn", "ridge", "kernel", "centroid")
CHOOSING = ("criterion", "patience")  # what means nothing without validation images
# Which options that are fields of `HeadSpec` each kind has, as in its search space in `heads`, which needs torch.
_NEURAL = ("learning_rates", "weight_decays", "optimizer", "schedule", "warmup", "epochs", "patience")
HAS: dict[str, tuple[str, ...]] = {
    "logistic": ("c_grid", "solver"),
    "linear": (*_NEURAL, "label_smoothing"),
    "mlp": (*_NEURAL, "label_smoothing", "sizes", "dropout"),
    "knn": ("neighbors", "temperatures"),
    "ridge": ("alpha_grid",),
    "kernel": ("alpha_grid", "bandwidths"),
    "centroid": ("metrics", "shrinkages"),
}
_head = functools.partial(option, group="Head")
_own = functools.partial(_head, None)


@dataclass(frozen=True)
class HeadSpec(Spec):
    """One head on one feature file, as the options of `pipeline fit-head` describe it.

    `validation` is a share, a number of images or "none". Options of the head are None where they are left to it. Those
    that are fields come as text or as values; `option` holds further ones as "NAME=VALUE", named as in the head's
    space. Raises `InvalidInputError` for a value that can never be right; whether the head has an option is known
    later.
    """

    head: str = _head("logistic", "The kind of head.", choices=KINDS)
    validation: float | int | str = validation_option(0.1)
    criterion: str | None = _head(
        None,
        "Validation metric that selects the candidate.",
        choices=("auto", "log_loss", "accuracy"),
        usual="what the head declares",
    )
    c_grid: tuple[float, ...] | None = _own(
        "logistic: penalties to try.", metavar="C,C,...", usual="45 from 1e-6 to 1e5"
    )
    solver: str | None = _own("logistic: solver.", metavar="path|sklearn", usual="path")
    sizes: tuple[int | tuple[int, ...], ...] | None = _own(
        "mlp: hidden widths to try; x between the layers of one.", metavar="N,NxM,..."
    )
    learning_rates: tuple[float, ...] | None = _own("linear, mlp: learning rates to try.", metavar="R,R,...")
    weight_decays: tuple[float, ...] | None = _own("linear, mlp: weight decays to try.", metavar="D,D,...")
    optimizer: str | None = _own("linear, mlp: optimizer.", metavar="sgd|adam|adamw")
    schedule: str | None = _own("linear, mlp: constant, step, cosine or one-cycle learning rate.", metavar="NAME")
    warmup: float | None = _own("linear, mlp: share of the steps that warm up.", metavar="SHARE")
    epochs: int | None = _own("linear, mlp: length of the schedule.")
    patience: int | str | None = _own("linear, mlp: epochs without a better one after which to stop.", metavar="N|none")
    dropout: float | None = _own("mlp: hidden values left out at random.", metavar="SHARE")
    label_smoothing: float | None = _own("linear, mlp: share given to all classes.", metavar="SHARE")
    neighbors: tuple[int, ...] | None = _own(
        "knn: numbers of neighbors to try.", metavar="K,K,...", flags=("--neighbors", "--k")
    )
    temperatures: tuple[float | None, ...] | None = _own(
        "knn: temperatures to try; none: votes all alike.", metavar="T,none,..."
    )
    alpha_grid: tuple[float, ...] | None = _own(
        "ridge, kernel: penalties.", metavar="A,A,...", flags=("--alpha-grid", "--penalties")
    )
    bandwidths: tuple[float, ...] | None = _own(
        "kernel: bandwidths to try, in root mean square distances.", metavar="B,B,..."
    )
    metrics: tuple[str, ...] | None = _own("centroid: distance metrics to try.", metavar="cosine,euclidean")
    shrinkages: tuple[float, ...] | None = _own(
        "centroid: how far means move to that of all, to try.", metavar="S,S,..."
    )
    option: tuple[str, ...] = _head(
        (), "Any other option of the head, as in Python.", metavar="NAME=VALUE", separator=""
    )
    seed: int = seed_option()

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.options()
        if self.validation_part() is None:
            idle = [name for name in CHOOSING if name in given or (name == "criterion" and self.criterion)]
            if idle:
                raise InvalidInputError(
                    f"{idle[0]} must be left out without validation images; got --validation none. Leave one out."
                )

    def validation_part(self) -> float | int | None:
        """The validation split: a share, a count, or None for none."""
        return validation_part(self.validation)

    def options(self) -> dict[str, Any]:
        """The head's own options that were given, under its own names."""
        found = {name: getattr(self, name) for name in HEAD_OPTIONS}
        given = {name: plain(value) for name, value in found.items() if value is not None}
        for text in self.option:
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or not name:
                raise InvalidInputError(f"option must be NAME=VALUE; got {text!r}. Write --option epochs=20.")
            if name in given:
                raise InvalidInputError(f"{name} must be given once; got it twice. Leave one out.")
            given[name] = plain(options_of(HeadSpec)[name].read(value)) if name in HEAD_OPTIONS else primitive(value)
        return given


HEAD_OPTIONS = tuple(name for names in HAS.values() for name in names)


def plain(value: Value) -> Any:
    """An option's value as JSON holds it, and none where the word stands for it."""
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return None if value == "none" else value


def primitive(text: str) -> Any:
    """A text in the type that it looks like: none, true, false, a number, a list (with commas), or text."""
    if "," in text:
        return [primitive(part) for part in text.split(",") if part.strip()]
    words = {"none": None, "true": True, "false": False}
    if text.strip().lower() in words:
        return words[text.strip().lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text.strip()


@dataclass(frozen=True, kw_only=True)
class HeadKey(Key):
    """A `HeadSpec` with the digest of the features it reads."""

    features: str
    head: str
    options: dict[str, Any]
    validation: float | int | None
    criterion: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class ShotsKey(Key):
    """A head's options, the digest of the features it reads, numbers of labels a class, draws of each."""

    features: str
    head: str
    options: dict[str, Any]
    criterion: str
    shots: list[int]
    draws: int
    seed: int


@dataclass(frozen=True)
class Repeats(Spec):
    """How often a head is fitted: with how many seeds, counted up, and with how few labels a class."""

    seeds: int | None = option(None, "Fit with N seeds, each a run, and show the spread.", low=1, high=1000)
    shots: tuple[int, ...] | None = option(
        None, "Also learn from N labels a class only, for each of these.", low=1, metavar="N,N,..."
    )
    draws: int | None = option(None, "Draws of those labels.", low=1, usual="5")
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


def _key(spec: HeadSpec, features: str) -> dict[str, Any]:
    return {
        "features": features,
        "head": spec.head,
        "options": spec.options(),
        "criterion": spec.criterion or "auto",
        "seed": spec.seed,
    }
