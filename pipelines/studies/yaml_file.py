"""YAML files whose values know where they stand, so that every refusal names its line and column.

PyYAML composes the nodes and msgspec checks their structure. Scalars stay the text that was written, for options read
their values by their own types: `0.1` for an option that holds text stays text, `1e-4` for a number is a number, and
`no` is a word unless a truth value is expected.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec
import yaml

from extract.errors import InvalidInputError, unknown

NOTHING = ("", "~", "null")
STANDARD = "tag:yaml.org,2002:"
MERGE = f"{STANDARD}merge"
TAGS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map")
MOST_ENTRIES = 100_000  # of a value with its aliases and merge keys written out
NUMBERS = {int: re.compile(r"[-+]?\d+"), float: re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")}
# What the parser says, and what a person may have written.
PROBLEMS = (
    ("<block end>", "an entry is indented otherwise than those above it, or lacks its dash or key"),
    ("mapping values are not allowed", "a colon stands within a value: put the value in quotes, or on a line below"),
    ("could not find expected ':'", "a key lacks its colon"),
    ("'\\t'", "a tab stands where only spaces may"),
    ("undefined alias", "a name after * has no anchor (&name) above it"),
    ("found duplicate anchor", "an anchor (&name) stands twice"),
    ("',' or ']'", "a list in brackets is not closed, or lacks a comma"),
    ("',' or '}'", "a mapping in braces is not closed, or lacks a comma"),
    ("unexpected end of stream", "a text in quotes is not closed"),
    ("<stream end>", "a list, a mapping or a text is not closed"),
    ("another document", "a second document begins, by three dashes"),
    ("unknown escape", "a text in double quotes has a backslash that means nothing: use single quotes"),
    ("cannot start any token", "a value begins with a sign that must stand in quotes"),
)


class YamlText(str):
    """A scalar as it was written. `place` is `file:line:column`, counted from 1."""

    place: str
    is_quoted: bool
    size = 1


class YamlList(list["YamlValue"]):
    """A list; `size` counts its entries with aliases written out."""

    place: str
    size: int


class YamlMap(dict[str, "YamlValue"]):
    """A mapping, whose keys have places too; `size` as of a list."""

    place: str
    size: int

    def pairs(self, *, but: str | None = None) -> "Pairs":
        """(key, value), without the key `but`."""
        return [(key, value) for key, value in self.items() if isinstance(key, YamlText) and key != but]


YamlValue = YamlText | YamlMap | YamlList
Pairs = list[tuple[YamlText, YamlValue]]
Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]
WORDS = {"YamlText": "text", "YamlMap": "a mapping of names to values", "YamlList": "a list"}
Structure = TypeVar("Structure", bound=msgspec.Struct)


def read(path: Path, *, what: str = "study") -> YamlValue | None:
    """The document of a YAML file in UTF-8, None where it is empty. Raises `InvalidInputError`, as `parse` does."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8: save it as UTF-8"
        raise InvalidInputError(f"{what} must be a readable YAML file; got {str(path)!r} ({reason}).") from error
    return parse(text, name=path.name, what=what)


def parse(text: str, *, name: str, what: str = "study") -> YamlValue | None:
    """The document of a YAML text; errors call it `what`.

    Raises `InvalidInputError` with a place for bad YAML, for tags of no plain value, for a key that stands twice, for
    a value that contains itself, and for aliases that multiply beyond what a person writes.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        return None if root is None else _Reader(name).value(root, what)
    except yaml.MarkedYAMLError as error:
        mark, said = error.problem_mark or error.context_mark, f"{error.context} {error.problem}"
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        problem = next((words for part, words in PROBLEMS if part in said), "it cannot be understood from here on")
        raise refusal(place, f"{what} must be valid YAML; {problem}.") from error
    except RecursionError as error:
        raise refusal(name, f"{what} must be valid YAML; its lists are nested too deeply.") from error
    except yaml.YAMLError as error:
        raise refusal(name, f"{what} must be valid YAML; it holds characters that no text has.") from error


def mapping(value: YamlValue, *, what: str) -> YamlMap:
    """The value, which must be a mapping."""
    if not isinstance(value, YamlMap):
        raise refusal(value.place, f"{what} must be {WORDS['YamlMap']}; got {shown(value)}.")
    return value


def structured(root: YamlMap, structure: type[Structure], *, what: str) -> Structure:
    """A mapping as a msgspec structure whose fields are values; `InvalidInputError` with the place of a misfit."""
    fields = {str(key): value for key, value in root.items()}
    try:
        return msgspec.convert(fields, structure)
    except msgspec.ValidationError as error:
        if foreign := re.search("unknown field `(.*)`", str(error), re.DOTALL):
            place = next(key.place for key, _ in root.pairs() if key == foreign[1])
            known = structure.__struct_encode_fields__
            raise refusal(place, unknown(f"section of a {what}", name=foreign[1], known=known)) from error
        kind, name = re.findall(r"Expected `(\w+)`.*`\$\.(\w+)`", str(error))[0]
        raise refusal(fields[name].place, f"{name} must be {WORDS[kind]}; got {shown(fields[name])}.") from error


def refusal(place: str, sentence: object) -> InvalidInputError:
    """The error that `sentence` describes, at its place."""
    return InvalidInputError(f"{place}: {sentence}")


@contextlib.contextmanager
def placed(key: object) -> Iterator[None]:
    """Within, an `InvalidInputError` is told at the place of `key`, where it is a key or a value of a file."""
    try:
        yield
    except InvalidInputError as error:
        if not isinstance(key, YamlValue):
            raise
        raise refusal(key.place, error) from error


def plain(value: object) -> Plain:
    """The value as dictionaries, lists and scalars, each scalar without quotes of the type that it looks like."""
    if isinstance(value, YamlMap):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, YamlList):
        return [plain(one) for one in value]
    if isinstance(value, YamlText):
        return str(value) if value.is_quoted else guessed(str(value))
    return None


def guessed(text: str) -> str | int | float | bool | None:
    """A scalar whose type nobody knows: nothing, true, false, a decimal number, or the text itself.

    None of the surprises of YAML 1.1: `064` is 64, `1.0e5` and `1e-4` are numbers, `no` is a word.
    """
    if text in NOTHING:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return next((kind(text) for kind, look in NUMBERS.items() if look.fullmatch(text)), text)


def shown(value: YamlValue) -> str:
    """The value in a message."""
    if isinstance(value, YamlText):
        return repr(value) if value else "nothing"
    return "a list" if isinstance(value, YamlList) else "a mapping"


class _Reader:
    """Turns nodes into values, each node once, however often it is aliased."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values: dict[int, YamlValue | None] = {}  # by the id of the node; None while the node is open

    def value(self, node: yaml.Node, what: str) -> YamlValue:
        if id(node) not in self._values:
            self._values[id(node)] = None
            self._values[id(node)] = self._made(node, what)
        found = self._values[id(node)]
        if found is None:
            raise refusal(self._place(node), "value must not contain itself; it does, through its own anchor.")
        return found

    def _place(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def _made(self, node: yaml.Node, what: str) -> YamlValue:
        place = self._place(node)
        if node.tag.removeprefix(STANDARD) not in TAGS:
            raise refusal(place, f"value must be plain YAML; got the tag {node.tag.replace(STANDARD, '!!')!r}.")
        if isinstance(node, yaml.MappingNode):
            found = self._map(node, what)
        elif isinstance(node, yaml.SequenceNode):
            found = YamlList(self.value(one, "job" if what == "jobs" else what) for one in node.value)
            found.size = 1 + sum(one.size for one in found)
        else:
            found = YamlText(_complete_text(node.value, place))
            found.is_quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
        if found.size > MOST_ENTRIES:
            expected = f"value must be at most {MOST_ENTRIES} entries, aliases written out"
            raise refusal(place, f"{expected}; got {found.size}.")
        found.place = place
        return found

    def _map(self, node: yaml.MappingNode, what: str) -> YamlMap:
        """The mapping, whose own keys win over inherited ones."""
        own, inherited, size = YamlMap(), YamlMap(), 1
        places: dict[str, str] = {}
        for key_node, value_node in node.value:
            key = self.value(key_node, what)
            if not isinstance(key, YamlText):
                raise refusal(key.place, f"key of {what} must be a name; got {shown(key)}.")
            if key in places:
                line = places[key].split(":")[-2]
                raise refusal(key.place, f"key of {what} must stand once; got {key!r} again (first in line {line}).")
            value = self.value(value_node, key)
            places[key], size = key.place, size + 1 + value.size
            if key_node.tag == MERGE:
                inherited = self._inherited(value, self._place(node))
            else:
                own[key] = value
        keys = {key: key for key in (*inherited, *own)}  # with the place of the own one
        found = YamlMap((key, own[key] if key in own else inherited[key]) for key in keys.values())
        found.size = size
        return found

    def _inherited(self, value: YamlValue, place: str) -> YamlMap:
        """The values of a merge key (`<<`): one mapping, or several of which the first wins."""
        found = YamlMap()
        for section in reversed(value if isinstance(value, YamlList) else [value]):
            if not isinstance(section, YamlMap):
                raise refusal(place, "merge key must name mappings, as in `<<: *name`; got something else.")
            found.update(section)
        return found


def _complete_text(written: str, place: str) -> str:
    """The text of a scalar; two halves of a character, as JSON writes them, become the character."""
    try:
        text = written.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise refusal(place, f"text must be of whole characters; got {written!r}.") from error
    if "\0" in text:
        raise refusal(place, f"text must hold no NUL; got {text!r}.")
    return text
