"""Which few labels a head is learned from: what `pipeline fit-head --shots` adds to a head's options."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from extract.errors import InvalidInputError
from extract.features.layout import canonical_json
from pipelines.specs.head import HeadSpec
from pipelines.specs.values import whole_numbers

SHOTS_VERSION = 7  # raised when the same key must give another table


@dataclass(frozen=True)
class ShotsKey:
    """A head's options, the digest of the features it reads, numbers of labels a class, draws of each."""

    stage_version: int
    features: str
    head: str
    options: dict[str, Any]
    criterion: str
    shots: list[int]
    draws: int
    seed: int

    def text(self) -> str:
        """The key as canonical JSON, which is what joblib hashes."""
        return canonical_json(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "ShotsKey":
        """The key that `text` was made from."""
        return cls(**json.loads(text))


def resolve_shots(spec: HeadSpec, *, features: str, shots: str | list[int], draws: int) -> ShotsKey:
    """The key of a head on few labels of the features whose content digest is `features`.

    Raises `InvalidInputError` for shots or draws below 1.
    """
    counts = sorted(set(whole_numbers("shots", shots)))
    if counts[0] < 1 or draws < 1:
        raise InvalidInputError(f"shots and draws must be at least 1; got {shots} and {draws}. Use --shots 1,2,5,10.")
    return ShotsKey(
        SHOTS_VERSION, features, spec.head, spec.options(), spec.criterion or "auto", counts, draws, spec.seed
    )
