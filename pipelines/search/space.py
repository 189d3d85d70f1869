"""Search space: option -> the values it may take. Read from a mapping and checked. Imports no optuna.

learning_rate: {low: 1e-3, high: 0.5, log: true}    # any number between, evenly on a log scale
depth: {int: true, low: 2, high: 8, step: 2}        # 2, 4, 6 or 8
optimizer: [sgd, adamw]                             # one of these
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from extract.errors import InvalidInputError, nearest
from extract.runtime.formats import written
from extract.runtime.options import TRUTHS, Option, Value
from extract.runtime.typed_json import Number, plain
from pipelines.studies.yaml_file import guessed, placed

WORDS = ("none", "auto")  # which stand for a value that an option has anyway
FORMS = "a list of choices or {low, high} with log, step or int"


class Range(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers from `low` to `high`, both included; every `step` from `low` on where there is one.

    `log` spreads them evenly on a logarithmic scale; `integer` leaves the whole ones. Raises ValueError for a
    contradiction.
    """

    low: Number
    high: Number
    log: bool = False
    step: Number | None = None
    integer: bool = msgspec.field(default=False, name="int")

    def __post_init__(self) -> None:
        low, high, step = self.low, self.high, self.step
        numbers = {"low": low, "high": high} | ({} if step is None else {"step": step})
        if not low <= high:
            raise ValueError(f"must have low at most high; got {low:g} and {high:g}. Exchange them.")
        if self.log and low <= 0:
            raise ValueError(f"must be above 0 where log is true; got low {low:g}. Raise it.")
        if self.log and step is not None:
            raise ValueError(f"must have log or step, not both; got step {step:g}. Leave one out.")
        if step is not None and not 0 < step <= high - low:
            raise ValueError(f"must have a step above 0 that fits into {low:g} to {high:g}; got {step:g}.")
        if self.integer and any(number != int(number) for number in numbers.values()):
            raise ValueError(f"must be whole numbers where int is true; got {low:g} to {high:g}.")
        for name, number in numbers.items() if self.integer else ():
            msgspec.structs.force_setattr(self, name, int(number))

    def ends(self) -> tuple[Value, ...]:
        """The values by which the entry is checked."""
        return (self.low, self.high)


@dataclass(frozen=True)
class Choices:
    """One of `values`, each a primitive or a tuple of them; `labels` are what a search knows them by."""

    values: tuple[Value, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """A distinct text for each value."""
        return tuple(json.dumps(value) for value in self.values)

    def value(self, label: str) -> Value:
        """The value that `label` stands for."""
        return self.values[self.labels.index(label)]

    def ends(self) -> tuple[Value, ...]:
        """The values by which the entry is checked."""
        return self.values


Space = dict[str, Range | Choices]


def parse(raw: object, *, what: str, known: Mapping[str, Option | None] | None = None) -> Space:
    """The space of `what` ("the mlp head") that `raw` (option -> entry, as a file gives it) describes.

    `known` are its options (None: one of any type): a choice is read by their types, as an option of a job is. Raises
    `InvalidInputError`, naming the option, for an entry that is neither of the forms and for a contradiction in it.
    """
    if not isinstance(raw, Mapping) or not raw:
        raise InvalidInputError(
            f"search space of {what} must be a mapping of options to {FORMS}; got {written(raw)}. "
            "Write one line an option, like `learning_rate: {low: 1e-4, high: 0.1, log: true}`."
        )
    found: Space = {}
    for key in sorted(raw, key=str):
        name = option_name(key)
        with placed(key):
            found[name] = _entry(str(key), raw[key], (known or {}).get(name))
    return found


def option_name(key: object) -> str:
    """The option that a key of a space names."""
    return str(key).replace("-", "_")


def as_json(space: Space) -> dict[str, object]:
    """The space as primitives in full form: two spaces that mean the same are equal here."""
    entries = sorted(space.items())
    return {name: list(one.values) if isinstance(one, Choices) else plain(one) for name, one in entries}


def _entry(name: str, raw: object, declared: Option | None) -> Range | Choices:
    if isinstance(raw, Mapping):
        return _range(name, raw, declared)
    if not isinstance(raw, list):
        remedy = "" if raw is None else f" To fix it, write [{written(raw)}]."
        raise InvalidInputError(f"search option {name} must be {FORMS}; got {written(raw)}.{remedy}")
    found = Choices(tuple(_choice(name, value, declared) for value in raw))
    if not raw or len(set(found.labels)) < len(raw):
        raise InvalidInputError(f"search option {name} must be at least one choice, each once; got {written(raw)}.")
    return found


def _choice(name: str, raw: object, declared: Option | None) -> Value:
    """A choice as the type of its option wants it, like an option of a job."""
    if isinstance(raw, list):
        return tuple(_choice(name, part, declared) for part in raw)
    if raw is not None and not isinstance(raw, str | int | float | bool):
        raise InvalidInputError(f"choices of {name} must be numbers, words or lists of them; got {written(raw)}.")
    if isinstance(raw, float) and not math.isfinite(raw):
        raise InvalidInputError(f"choices of {name} must be finite; got {raw!r}.")
    is_word = isinstance(raw, str) and raw.lower() in WORDS
    if raw is None or declared is None or is_word or (type(raw) in declared.kinds and not isinstance(raw, str)):
        return raw
    one = Option(name, None, "", declared.kinds, optional=False, several=False, nested=False)
    try:
        return one.read(str(raw).lower() if isinstance(raw, bool) else str(raw))
    except InvalidInputError as error:
        raise InvalidInputError(f"choices of {name} must be {one.expected}; got {raw!r}.") from error


def _range(name: str, raw: Mapping[object, object], declared: Option | None) -> Range:
    """The range; without `int`, its numbers are whole where all that are given are, and the option may be counted."""
    given = {str(key): _number_or_truth(value) for key, value in raw.items()}
    is_counted = declared is None or int in declared.kinds or float not in declared.kinds
    numbers = [given[key] for key in ("low", "high", "step") if given.get(key) is not None]
    given = {"int": is_counted and all(type(number) is int for number in numbers), **given}
    try:
        return msgspec.convert(given, Range)
    except msgspec.ValidationError as error:
        raise _misfit(name, raw, str(error)) from error


def _number_or_truth(value: object) -> object:
    return TRUTHS.get(value.lower(), guessed(value)) if isinstance(value, str) else value


def _misfit(name: str, raw: Mapping[object, object], said: str) -> InvalidInputError:
    """The error for what msgspec said of a range."""
    found = re.search(r"`(?:\$\.)?(\w+)`$", said)
    if found is None:
        return InvalidInputError(f"search option {name} {said}")
    key, known = found[1], Range.__struct_encode_fields__
    if key not in known:
        return InvalidInputError(f"search option {name} must be {FORMS}; got the key {key!r}. {nearest(key, known)}")
    kind = "true or false" if key in ("log", "int") else "a number"
    return InvalidInputError(f"{key} of the search option {name} must be {kind}; got {written(raw.get(key))}.")
