"""Which few labels a head is learned from: what `pipeline fit-head --shots` adds to a head's options."""

from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError
from pipelines.specs.head import HeadSpec
from pipelines.specs.key import Key
from pipelines.specs.values import whole_numbers

SHOTS_VERSION = 7  # raised when the same key must give another table


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


def resolve_shots(spec: HeadSpec, *, features: str, shots: str | list[int], draws: int) -> ShotsKey:
    """The key of a head on few labels of the features whose content digest is `features`.

    Raises `InvalidInputError` for shots or draws below 1.
    """
    counts = sorted(set(whole_numbers("shots", shots)))
    if counts[0] < 1 or draws < 1:
        raise InvalidInputError(f"shots and draws must be at least 1; got {shots} and {draws}. Use --shots 1,2,5,10.")
    return ShotsKey(
        stage_version=SHOTS_VERSION,
        features=features,
        head=spec.head,
        options=spec.options(),
        criterion=spec.criterion or "auto",
        shots=counts,
        draws=draws,
        seed=spec.seed,
    )
