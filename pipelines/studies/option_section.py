"""Options as a section of a study gives them; each command reads them by the types that it declares."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from extract.errors import InvalidInputError, unknown
from extract.runtime.options import Option, words
from pipelines.specs.network import STARTS
from pipelines.studies.yaml_file import NOTHING, Pairs, YamlList, YamlMap, YamlText, YamlValue, refusal, shown


@dataclass(frozen=True)
class OptionValues:
    """The values that a file gives for one option, and where it stands."""

    place: str
    values: tuple[object, ...]


class OptionSection:
    """The options of a section, whose keys may be written with hyphens or underscores.

    Refuses a key that is not among the options `known`, and one that stands twice under its two spellings. Of those
    `elsewhere` it says to which command they are given instead.
    """

    def __init__(
        self, pairs: Pairs, *, known: Collection[str], what: str, elsewhere: Mapping[str, str] | None = None
    ) -> None:
        self._pairs: dict[str, tuple[YamlText, YamlValue]] = {}
        for key, value in pairs:
            name = key.replace("-", "_")
            if name not in known and name in (elsewhere or {}):
                to = f"`pipeline {(elsewhere or {})[name]} --{words(name)}`"
                raise refusal(key.place, f"{what} must be one that jobs have; got {key!r}. Give it on a line: {to}.")
            if name not in known:
                raise refusal(key.place, unknown(what, name=key, known=map(words, known)))
            if name in self._pairs:
                raise refusal(key.place, f"option must stand once; got {key!r} again, under its other spelling.")
            self._pairs[name] = key, value

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def place(self, name: str) -> str:
        """The place of an option."""
        return self._pairs[name][0].place

    def lists(self, declared: Mapping[str, Option]) -> dict[str, OptionValues]:
        """The values of each option that is among those `declared`; a list within the list is one of several parts."""
        found: dict[str, OptionValues] = {}
        for name, (key, value) in self._pairs.items():
            if name in declared:
                values = value if isinstance(value, YamlList) else [value]
                found[name] = OptionValues(key.place, tuple(_read(declared[name], one) for one in values))
                if not values:
                    sentence = "must have a value; got an empty list. Leave the key out for its default."
                    raise refusal(value.place, f"{declared[name].words} {sentence}")
        return found

    def values(self, declared: Mapping[str, Option]) -> dict[str, object]:
        """The one value of each option; a list is one only of an option that holds several."""
        for name, (_, value) in self._pairs.items():
            if isinstance(value, YamlList) and not declared[name].several:
                sentence = "must be one value; got a list. Options with several go under `space:`."
                raise refusal(value.place, f"{declared[name].words} {sentence}")
        return {name: _read(declared[name], value) for name, (_, value) in self._pairs.items()}


def _read(option: Option, value: YamlValue) -> object:
    """The one value that stands there, as the option holds it."""
    if isinstance(value, YamlMap) or (isinstance(value, YamlList) and not option.several):
        raise refusal(value.place, f"{option.words} must be a value or a list of values; got {shown(value)}.")
    if isinstance(value, YamlText) and not value.is_quoted and value in NOTHING:
        return None
    try:
        return option.read(_texts(value))
    except InvalidInputError as error:
        raise refusal(value.place, error) from error


def _texts(value: YamlValue) -> object:
    return [_texts(one) for one in value] if isinstance(value, YamlList) else str(value)


def searched_command(raw: Mapping[str, object]) -> str:
    """The command whose options a search with these options has: of a head, or of a network and its start."""
    raw = {name.replace("-", "_"): value for name, value in raw.items()}
    if raw.get("network") is None:
        return "fit-head"
    return "finetune" if any(raw.get(name) not in (None, "none", "scratch") for name in STARTS) else "train"
