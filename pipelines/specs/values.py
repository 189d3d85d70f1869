"""Checks of single values that every spec shares."""

from extract.errors import InvalidInput, unknown


def one_of(thing: str, name: str, known: tuple[str, ...]) -> None:
    """Raises `InvalidInput` with the nearest names unless `name` is among `known`."""
    if name not in known:
        raise unknown(thing, name=name, known=known)


def at_least_one(thing: str, value: int | None) -> None:
    """Raises `InvalidInput` for a count below 1; None passes."""
    if value is not None and value < 1:
        raise InvalidInput(f"{thing} must be at least 1; got {value}.")


def checked_seed(seed: int) -> None:
    """Raises `InvalidInput` for a seed that some generator would refuse."""
    if not 0 <= seed < 2**32:
        raise InvalidInput(f"seed must be from 0 to 4294967295; got {seed}.")
