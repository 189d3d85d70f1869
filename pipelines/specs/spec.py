"""Specs, what a user asks for option by option, and keys, what that is on this machine. Imports no torch."""

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self

from extract.errors import InvalidInputError
from extract.features.layout import canonical_json
from extract.runtime.options import Option, Value, known, option, options_of

RawOptions = Mapping[str, object]  # options by name, as text or as values; None is one that is left out
Fields = dict[str, Any]  # fields by name, which are passed on or become JSON
seed_option = functools.partial(option, 0, "Random seed.", low=0, high=2**32 - 1, metavar="N")
validation_option = functools.partial(
    option,
    help="Validation split: a share of the training images, a number of them, or none.",
    metavar="SHARE|N|none",
    group="Data",
)


@dataclass(frozen=True)
class Spec:
    """A frozen dataclass whose fields are options, which may be given as text; `options` are those beside its fields.

    Raises `InvalidInputError` for a value that can never be right, and for an option that there is not.
    """

    # The options beside its fields, as a command line and a study know them.
    FURTHER: ClassVar[Mapping[str, Option]] = {}
    options: Mapping[str, Value] = field(default_factory=dict, hash=False, kw_only=True)

    def __post_init__(self) -> None:
        for name, declared in options_of(type(self)).items():
            object.__setattr__(self, name, declared.read(getattr(self, name)))
        further = self.further()
        for name in self.options:
            known(name, further, what=f"option of {self.what}" if self.what else "option")
        object.__setattr__(self, "options", {name: further[name].read(one) for name, one in self.options.items()})

    @property
    def what(self) -> str:
        """Name in errors of what the further options belong to."""
        return ""

    def further(self) -> Mapping[str, Option]:
        """The options that may stand in `options`."""
        return self.FURTHER

    @classmethod
    def declared(cls) -> Mapping[str, Option]:
        """Every option by name, as a command line and a study know it."""
        return {**options_of(cls), **cls.FURTHER}

    @classmethod
    def of(cls, raw: RawOptions | None = None, **more: object) -> Self:
        """The spec of options by name, as text or as values; None leaves one out."""
        present: Fields = {name: value for name, value in {**(raw or {}), **more}.items() if value is not None}
        own: Fields = {name: present.pop(name) for name in options_of(cls) if name in present}
        return cls(**own, options=present)

    def part(self, part: type) -> Fields:
        """The options that the spec has of a class that it inherits from, by name."""
        return {name: getattr(self, name) for name in options_of(part)}

    def as_dict(self) -> Fields:
        """Every field and every further option by name, as `of` takes them."""
        return {**self.part(type(self)), **self.options}


@dataclass(frozen=True, kw_only=True)
class Key:
    """Cache key: what decides whether a result is reused. `stage_version` is raised when the same key must give another
    result; `UNSAID` are fields that the text leaves out where they have these values."""

    UNSAID: ClassVar[Mapping[str, object]] = {}
    stage_version: int

    def as_dict(self) -> Fields:
        """The key by field."""
        values = asdict(self)
        return {name: one for name, one in values.items() if name not in self.UNSAID or one != self.UNSAID[name]}

    def text(self) -> str:
        """The key as canonical JSON, which is what joblib hashes."""
        return canonical_json(self.as_dict())

    def digest(self) -> str:
        """sha256 of the key's text."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def run(self) -> str:
        """The name of the run: the first 12 digits of the digest."""
        return self.digest()[:12]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The key that `text` was made from."""
        return cls(**json.loads(text))


def validation_part(raw: object) -> float | int | None:
    """A validation split: a share, a count, or None for "none"."""
    if raw == "none":
        return None
    if not isinstance(raw, int | float) or not (raw >= 1 if isinstance(raw, int) else 0 < raw < 1):
        raise InvalidInputError(f"validation must be a share like 0.1, a number of images, or none; got {raw!r}.")
    return raw
