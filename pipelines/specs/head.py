"""What a run of a head is: the options of `pipeline fit-head`, and what they mean on given features."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from extract.errors import InvalidInput
from extract.layout import canonical_json
from pipelines.specs.values import checked_seed

HEAD_VERSION = 1  # raised when the same key must give another head


@dataclass(frozen=True)
class HeadSpec:
    """One head on one feature file, as the options of `pipeline fit-head` describe it.

    `validation` is a share ("0.1"), a number of images ("500") or "none"; `c_grid` holds C values with commas
    between, None for the head's own. Raises `InvalidInput` for a value that can never be right.
    """

    head: str = "logistic"
    validation: str = "0.1"
    c_grid: str | None = None
    solver: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        checked_seed(self.seed)
        self.validation_part()
        self.options()

    def validation_part(self) -> float | int | None:
        """What is held out: a share, a count, or None for nothing."""
        if self.validation == "none":
            return None
        for kind in (int, float):
            try:
                part = kind(self.validation)
            except ValueError:
                continue
            if part > 0 and (kind is int or part < 1):
                return part
        raise InvalidInput(
            f"validation must be a share like 0.1, a number of images, or none; got {self.validation!r}."
        )

    def options(self) -> dict[str, Any]:
        """The head's own options that were given, under its own names."""
        given: dict[str, Any] = {}
        if self.c_grid is not None:
            try:
                given["c_grid"] = [float(part) for part in self.c_grid.split(",")]
            except ValueError:
                raise InvalidInput(
                    f"c-grid must be numbers with commas between, like 1e-4,1e-3; got {self.c_grid!r}."
                ) from None
        if self.solver is not None:
            given["solver"] = self.solver
        return given


@dataclass(frozen=True)
class HeadKey:
    """A `HeadSpec` with the digest of the features it reads."""

    stage_version: int
    features: str
    head: str
    options: dict[str, Any]
    validation: float | int | None
    seed: int

    def text(self) -> str:
        """The key as canonical JSON, which is what joblib hashes."""
        return canonical_json(asdict(self))

    def run(self) -> str:
        """The name of the run: the first 12 digits of the key's sha256."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    @classmethod
    def from_text(cls, text: str) -> "HeadKey":
        """The key that `text` was made from."""
        return cls(**json.loads(text))


def resolve_head(spec: HeadSpec, *, features: str) -> HeadKey:
    """The key of a head on the features whose content digest is `features`."""
    return HeadKey(HEAD_VERSION, features, spec.head, spec.options(), spec.validation_part(), spec.seed)
