"""What a search may vary: option -> the values it may take. Read from a mapping, checked, no optuna.

learning_rate: {low: 1e-3, high: 0.5, log: true}    # any number between, evenly on a log scale
depth: {int: true, low: 2, high: 8, step: 2}        # 2, 4, 6 or 8
optimizer: [sgd, adamw]                             # one of these
"""

import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from extract.errors import InvalidInputError, nearest, unknown
from extract.runtime.options import KINDS, TRUTHS, Option
from pipelines.studies.yaml_file import guessed

ENTRY_KEYS = ("low", "high", "log", "step", "int")
WORDS = ("none", "auto")  # which stand for a value that an option has anyway
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


def parse(raw: Any, *, what: str, known: Mapping[str, Any] | None = None) -> Space:
    """The space of `what` ("the mlp head") that `raw` (option -> entry, as a file gives it) describes.

    `known` are the types of its options: a choice is read by them, as an option of a job is. Raises
    `InvalidInputError`, naming the option, for an entry that is neither of the forms and for a contradiction in it.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidInputError(
            f"search space of {what} must be a mapping of options to {FORMS}; got {raw!r}. "
            "Write one line an option, like `learning_rate: {low: 1e-4, high: 0.1, log: true}`."
        )
    names = {str(key).replace("-", "_"): key for key in sorted(raw, key=str)}
    hints = known or {}
    kinds = {name: hint.kinds if isinstance(hint, Option) else kinds_of(hint) for name, hint in hints.items()}
    return {name: _entry(str(key), raw[key], frozenset(kinds.get(name, ()))) for name, key in names.items()}


def kinds_of(hint: Any) -> frozenset[type]:
    """The types of one value of an option; none where any will do. Of an option that holds several, those of each."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) in (tuple, list):
        parts = [kinds_of(part) for part in typing.get_args(hint) if part is not ...]
        return frozenset().union(*parts) if all(parts) else frozenset()
    return frozenset({hint}) if hint in (int, float, bool, str, types.NoneType) else frozenset()


def check_names(space: Space, *, known: Iterable[str], what: str) -> None:
    """Raises `InvalidInputError` with the nearest names for an option that is not among those `known` of `what`."""
    names = list(known)
    for name in space:
        if name not in names:
            raise unknown(f"option to search of {what}", name=name, known=names)


def as_json(space: Space) -> dict[str, Any]:
    """The space as primitives in full form: two spaces that mean the same are equal here."""
    return {name: entry.as_json() for name, entry in sorted(space.items())}


def _entry(name: str, raw: Any, wanted: frozenset[type]) -> Range | Choices:
    if isinstance(raw, list):
        return _choices(name, raw, wanted)
    if isinstance(raw, Mapping):
        return _range(name, raw, wanted)
    raise InvalidInputError(f"search option {name} must be {FORMS}; got {raw!r}. To fix it, write [{raw}].")


def _choices(name: str, raw: list[Any], wanted: frozenset[type]) -> Choices:
    values = tuple(_value(name, value, wanted) for value in raw)
    found = Choices(values)
    if not values or len(set(found.labels)) < len(values):
        raise InvalidInputError(f"search option {name} must be at least one choice, each once; got {raw!r}.")
    return found


def _value(name: str, raw: Any, wanted: frozenset[type]) -> Any:
    if isinstance(raw, list):
        return tuple(_value(name, part, wanted) for part in raw)
    if raw is not None and not isinstance(raw, str | int | float | bool):
        raise InvalidInputError(f"choices of {name} must be numbers, words or lists of them; got {raw!r}.")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise InvalidInputError(f"choices of {name} must be finite; got {raw!r}.")
    return _typed(name, raw, wanted) if wanted else raw


def _typed(name: str, raw: Any, wanted: frozenset[type]) -> Any:
    """A choice as the type of its option wants it, like an option of a job."""
    if raw is None or (type(raw) in wanted and type(raw) is not str):
        return raw
    if isinstance(raw, str) and raw.lower() in WORDS:
        return raw
    for kind in (kind for kind in (int, float, bool, str) if kind in wanted):
        try:
            return read_text(str(raw).lower() if isinstance(raw, bool) else str(raw), kind)
        except ValueError:
            continue
    expected = " or ".join(said for kind, said in KINDS.items() if kind in wanted)
    raise InvalidInputError(f"choices of {name} must be {expected}; got {raw!r}.")


def _range(name: str, raw: Mapping[Any, Any], wanted: frozenset[type]) -> Range:
    for key in raw:
        if key not in ENTRY_KEYS:
            raise InvalidInputError(
                f"search option {name} must be {FORMS}; got the key {key!r}. {nearest(str(key), ENTRY_KEYS)}"
            )
    low, high = _number(name, raw, "low"), _number(name, raw, "high")
    step = None if raw.get("step") is None else _number(name, raw, "step")
    log, whole = _flag(name, raw, "log"), _flag(name, raw, "int")
    numbers = (low, high) if step is None else (low, high, step)
    whole = whole or ("int" not in raw and all(isinstance(number, int) for number in numbers) and _counts(wanted))
    found = Range(low, high, log, step, whole)
    _refuse_contradictions(name, found)
    kind = int if whole else float
    return Range(kind(low), kind(high), log, None if step is None else kind(step), whole)


def _counts(wanted: frozenset[type]) -> bool:
    """Whether an option is counted in whole numbers, or may be for all that is known."""
    return int in wanted or float not in wanted


def _refuse_contradictions(name: str, found: Range) -> None:
    low, high, step = found.low, found.high, found.step
    if low > high:
        raise InvalidInputError(
            f"search option {name} must have low at most high; got {low} and {high}. Exchange them."
        )
    if found.log and low <= 0:
        raise InvalidInputError(f"search option {name} must be above 0 where log is true; got low {low}. Raise it.")
    if found.log and step is not None:
        raise InvalidInputError(
            f"search option {name} must have log or step, not both; got step {step}. Leave one out."
        )
    if step is not None and not 0 < step <= high - low:
        raise InvalidInputError(
            f"search option {name} must have a step above 0 that fits into {low} to {high}; got {step}."
        )
    if found.whole and any(number is not None and number != int(number) for number in (low, high, step)):
        raise InvalidInputError(f"search option {name} must be whole numbers where int is true; got {low} to {high}.")


def _number(name: str, raw: Mapping[Any, Any], key: str) -> float:
    value = guessed(raw[key]) if isinstance(raw.get(key), str) else raw.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidInputError(f"{key} of the search option {name} must be a number; got {raw.get(key)!r}.")
    return value


def _flag(name: str, raw: Mapping[Any, Any], key: str) -> bool:
    value = TRUTHS.get(str(raw.get(key, False)).lower())
    if value is None:
        raise InvalidInputError(f"{key} of the search option {name} must be true or false; got {raw[key]!r}.")
    return value


def read_text(text: str, kind: type) -> Any:
    """A text as `kind`; ValueError where it is none."""
    if kind is bool:
        if text.lower() not in TRUTHS:
            raise ValueError(text)
        return TRUTHS[text.lower()]
    if kind is float and float(text) != float(text):
        raise ValueError(text)
    return kind(text)
