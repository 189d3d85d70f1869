"""Options as a study gives them, by the types that a command declares; those under `defaults` anew for each command."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from extract.runtime.options import Option
from pipelines.studies.jobs import COMMANDS, STARTS, options
from pipelines.studies.yaml_file import (
    NOTHING,
    Pairs,
    YamlList,
    YamlMap,
    YamlText,
    YamlValue,
    named,
    refusal,
    shown,
    standing_at,
)


@dataclass(frozen=True)
class OptionValues:
    """The values that a file gives for one option, and where it stands."""

    place: str
    values: tuple[object, ...]


def read_options(pairs: Pairs, command: str) -> dict[str, OptionValues]:
    """The options of `command` in a section; `InvalidInputError` with the place of a mistake."""
    known = options(command)
    found = named(pairs, known=known, what=f"option of {command}")
    return {name: _values(known[name], value, key.place) for name, (key, value) in found.items()}


def _values(option: Option, value: YamlValue, place: str) -> OptionValues:
    """The value that stands there, or those of a list; a list within the list is one value of several parts."""
    found = value if isinstance(value, YamlList) else [value]
    if not found:
        sentence = f"{option.words} must have a value; got an empty list. Leave the key out for its default."
        raise refusal(value.place, sentence)
    return OptionValues(place, tuple(read_value(option, one) for one in found))


def read_value(option: Option, value: YamlValue) -> object:
    """The one value that stands there, as the option holds it."""
    if isinstance(value, YamlMap) or (isinstance(value, YamlList) and not option.several):
        raise refusal(value.place, f"{option.words} must be a value or a list of values; got {shown(value)}.")
    if isinstance(value, YamlText) and not value.is_quoted and value in NOTHING:
        return None
    with standing_at(value.place):
        return option.read(_texts(value))


def _texts(value: YamlValue) -> object:
    return [_texts(one) for one in value] if isinstance(value, YamlList) else str(value)


def searched_command(given: Mapping[str, object]) -> str:
    """The command whose options a search with these options has: of a head, or of a network and its start."""
    given = {name.replace("-", "_"): value for name, value in given.items()}
    if given.get("network") is None:
        return "fit-head"
    return "finetune" if any(given.get(name) not in (None, "none", "scratch") for name in STARTS) else "train"


class Defaults:
    """The section `defaults` of a study (None: it has none).

    The same name may be another type to another command: `batch-size` is text for an extraction, which may say
    "auto", and a number for a training.
    """

    def __init__(self, section: YamlMap | None) -> None:
        every = dict.fromkeys(name for command in COMMANDS for name in options(command))
        self._section = named(section.pairs() if section else [], known=every, what="option of a study")

    def of(self, command: str) -> dict[str, OptionValues]:
        """The defaults that are options of `command`, as it reads them."""
        known = options(command)
        given = {name: found for name, found in self._section.items() if name in known}
        return {name: _values(known[name], value, key.place) for name, (key, value) in given.items()}

    def must_apply(self, used: Collection[str]) -> None:
        """Refuses a default that is not among the options `used` by a job or a search."""
        for name, (key, _) in self._section.items():
            if name not in used:
                raise refusal(key.place, f"default must apply to some job; {name!r} applies to none. Remove it.")
