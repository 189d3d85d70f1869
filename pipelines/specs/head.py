"""What a run of a head is: the options of `pipeline fit-head`, and what they mean on given features."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError
from extract.runtime.options import check
from pipelines.specs.data import seed_option
from pipelines.specs.key import Key
from pipelines.specs.values import numbers, one_of, primitive, several, sizes, whole_numbers

HEAD_VERSION = 11  # raised when the same key must give another head
# As in `heads.registry`, which needs torch.
KINDS = ("logistic", "linear", "mlp", "knn", "ridge", "kernel", "centroid")
CRITERIA = ("auto", "log_loss", "accuracy")

# The options of heads that have a field of their own, and what turns the given text or value into the head's.
OWN: dict[str, Callable[[str, Any], Any]] = {
    "c_grid": numbers,
    "solver": primitive,
    "sizes": sizes,
    "learning_rates": numbers,
    "weight_decays": numbers,
    "optimizer": primitive,
    "schedule": primitive,
    "warmup": primitive,
    "epochs": primitive,
    "patience": primitive,
    "dropout": primitive,
    "label_smoothing": primitive,
    "neighbors": whole_numbers,
    "temperatures": several,
    "alpha_grid": numbers,
    "bandwidths": numbers,
    "metrics": several,
    "shrinkages": numbers,
}
# Which of them each kind has, as in its search space in `heads`, which needs torch.
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
CHOOSING = ("criterion", "patience")  # what means nothing without validation images


@dataclass(frozen=True)
class HeadSpec:
    """One head on one feature file, as the options of `pipeline fit-head` describe it.

    `validation` is a share ("0.1"), a number of images ("500") or "none". Options of the head are None where
    they are left to it; lists come as text with commas between or as lists, `sizes` with x between the layers
    of one head ("256,512x128"). `option` holds further ones as "NAME=VALUE", named as in the head's space.
    Raises `InvalidInputError` for a value that can never be right; whether the head has an option is known later.
    """

    head: str = "logistic"
    validation: str = "0.1"
    criterion: str | None = None
    c_grid: str | list | None = None
    solver: str | None = None
    sizes: str | list | None = None
    learning_rates: str | list | None = None
    weight_decays: str | list | None = None
    optimizer: str | None = None
    schedule: str | None = None
    warmup: float | None = None
    epochs: int | None = None
    patience: int | str | None = None
    dropout: float | None = None
    label_smoothing: float | None = None
    neighbors: str | list | None = None
    temperatures: str | list | None = None
    alpha_grid: str | list | None = None
    bandwidths: str | list | None = None
    metrics: str | list | None = None
    shrinkages: str | list | None = None
    option: tuple[str, ...] = ()
    seed: int = seed_option()

    def __post_init__(self) -> None:
        check(self)
        one_of("head", self.head, KINDS)
        if self.criterion is not None:
            one_of("criterion", self.criterion, CRITERIA)
        given = self.options()
        if self.validation_part() is None:
            idle = [name for name in CHOOSING if name in given or (name == "criterion" and self.criterion)]
            if idle:
                raise InvalidInputError(
                    f"{idle[0]} must be left out without validation images; got --validation none. Leave one out."
                )

    def validation_part(self) -> float | int | None:
        """The validation split: a share, a count, or None for none."""
        if str(self.validation) == "none":
            return None
        for kind in (int, float):
            try:
                part = kind(str(self.validation))
            except ValueError:
                continue
            if part > 0 and (kind is int or part < 1):
                return part
        raise InvalidInputError(
            f"validation must be a share like 0.1, a number of images, or none; got {self.validation!r}."
        )

    def options(self) -> dict[str, Any]:
        """The head's own options that were given, under its own names."""
        given = {
            name: convert(name, getattr(self, name)) for name, convert in OWN.items() if getattr(self, name) is not None
        }
        for text in self.option:
            name, equals, value = text.partition("=")
            name = name.strip().replace("-", "_")
            if not equals or not name:
                raise InvalidInputError(f"option must be NAME=VALUE; got {text!r}. Write --option epochs=20.")
            if name in given:
                raise InvalidInputError(f"{name} must be given once; got it twice. Leave one out.")
            given[name] = OWN.get(name, primitive)(name, value.strip())
        return given


@dataclass(frozen=True, kw_only=True)
class HeadKey(Key):
    """A `HeadSpec` with the digest of the features it reads."""

    features: str
    head: str
    options: dict[str, Any]
    validation: float | int | None
    criterion: str
    seed: int


def resolve_head(spec: HeadSpec, *, features: str) -> HeadKey:
    """The key of a head on the features whose content digest is `features`."""
    return HeadKey(
        stage_version=HEAD_VERSION,
        features=features,
        head=spec.head,
        options=spec.options(),
        validation=spec.validation_part(),
        criterion=spec.criterion or "auto",
        seed=spec.seed,
    )
