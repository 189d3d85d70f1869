"""What a search may vary: option -> the values it may take. Read from a mapping, checked, no optuna.

learning_rate: {low: 1e-3, high: 0.5, log: true}    # any number between, evenly on a log scale
depth: {int: true, low: 2, high: 8, step: 2}        # 2, 4, 6 or 8
optimizer: [sgd, adamw]                             # one of these
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInput, nearest, unknown

ENTRY_KEYS = ("low", "high", "log", "step", "int")
FORMS = "a list of choices or {low, high} with log, step or int"


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`, both included; every `step` from `low` on where there is one.

    `log` spreads them evenly on a logarithmic scale; `whole` leaves the whole ones.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    def as_json(self) -> dict[str, Any]:
        """The entry in its full form."""
        return {"low": self.low, "high": self.high, "log": self.log, "step": self.step, "int": self.whole}

    def ends(self) -> tuple[Any, ...]:
        """The values that a check of the whole entry has to look at."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Choices:
    """One of `values`, each a primitive or a tuple of them; `labels` are what a search knows them by."""

    values: tuple[Any, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """A distinct text for each value."""
        return tuple(json.dumps(value) for value in self.values)

    def value(self, label: str) -> Any:
        """The value that `label` stands for."""
        return self.values[self.labels.index(label)]

    def as_json(self) -> list[Any]:
        """The entry as a list."""
        return list(self.values)

    def ends(self) -> tuple[Any, ...]:
        """The values that a check of the whole entry has to look at."""
        return self.values


Space = dict[str, Range | Choices]


def parse(raw: Any, *, what: str) -> Space:
    """The space of `what` ("the mlp head") that `raw` (option -> entry, as YAML gives it) describes.

    Raises `InvalidInput`, naming the option, for an entry that is neither of the forms and for a contradiction in it.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidInput(
            f"search space of {what} must be a mapping of options to {FORMS}; got {raw!r}. "
            "Write one line an option, like `learning_rate: {low: 1e-4, high: 0.1, log: true}`."
        )
    return {name.replace("-", "_"): _entry(name, raw[key]) for name, key in sorted((str(key), key) for key in raw)}


def check_names(space: Space, *, known: Iterable[str], what: str) -> None:
    """Raises `InvalidInput` with the nearest names for an option that is not among those `known` of `what`."""
    names = list(known)
    for name in space:
        if name not in names:
            raise unknown(f"option to search of {what}", name=name, known=names)


def as_json(space: Space) -> dict[str, Any]:
    """The space as primitives in full form: two spaces that mean the same are equal here."""
    return {name: entry.as_json() for name, entry in sorted(space.items())}


def _entry(name: str, raw: Any) -> Range | Choices:
    if isinstance(raw, list):
        return _choices(name, raw)
    if isinstance(raw, Mapping):
        return _range(name, raw)
    raise InvalidInput(f"search option {name} must be {FORMS}; got {raw!r}. To fix it, write [{raw}].")


def _choices(name: str, raw: list[Any]) -> Choices:
    values = tuple(_value(name, value) for value in raw)
    found = Choices(values)
    if not values or len(set(found.labels)) < len(values):
        raise InvalidInput(f"search option {name} must be at least one choice, each once; got {raw!r}.")
    return found


def _value(name: str, raw: Any) -> Any:
    if isinstance(raw, list):
        return tuple(_value(name, part) for part in raw)
    if raw is not None and not isinstance(raw, str | int | float | bool):
        raise InvalidInput(f"choices of {name} must be numbers, words or lists of them; got {raw!r}.")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise InvalidInput(f"choices of {name} must be finite; got {raw!r}.")
    return _as_number(raw)


def _range(name: str, raw: Mapping[Any, Any]) -> Range:
    for key in raw:
        if key not in ENTRY_KEYS:
            raise InvalidInput(
                f"search option {name} must be {FORMS}; got the key {key!r}. {nearest(str(key), ENTRY_KEYS)}"
            )
    low, high = _number(name, raw, "low"), _number(name, raw, "high")
    step = None if raw.get("step") is None else _number(name, raw, "step")
    log, whole = _flag(name, raw, "log"), _flag(name, raw, "int")
    numbers = (low, high) if step is None else (low, high, step)
    whole = whole or ("int" not in raw and all(isinstance(number, int) for number in numbers))
    found = Range(low, high, log, step, whole)
    _refuse_contradictions(name, found)
    return Range(int(low), int(high), log, None if step is None else int(step), whole) if whole else found


def _refuse_contradictions(name: str, found: Range) -> None:
    low, high, step = found.low, found.high, found.step
    if low > high:
        raise InvalidInput(f"search option {name} must have low at most high; got {low} and {high}. Exchange them.")
    if found.log and low <= 0:
        raise InvalidInput(f"search option {name} must be above 0 where log is true; got low {low}. Raise it.")
    if found.log and step is not None:
        raise InvalidInput(f"search option {name} must have log or step, not both; got step {step}. Leave one out.")
    if step is not None and not 0 < step <= high - low:
        raise InvalidInput(f"search option {name} must have a step above 0 that fits into {low} to {high}; got {step}.")
    if found.whole and any(number is not None and number != int(number) for number in (low, high, step)):
        raise InvalidInput(f"search option {name} must be whole numbers where int is true; got {low} to {high}.")


def _number(name: str, raw: Mapping[Any, Any], key: str) -> float:
    value = _as_number(raw.get(key))
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInput(f"{key} of the search option {name} must be a number; got {raw.get(key)!r}.")
    return value


def _flag(name: str, raw: Mapping[Any, Any], key: str) -> bool:
    value = raw.get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(f"{key} of the search option {name} must be true or false; got {value!r}.")
    return value


def _as_number(value: Any) -> Any:
    """YAML reads 1e-4, without a dot, as a word; here it is the number that it looks like."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d+e[+-]?\d{1,2}", value, re.IGNORECASE):
        return float(value)
    return value
