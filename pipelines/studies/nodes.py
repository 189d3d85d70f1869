"""YAML as a tree of nodes that know where they stand, so that every refusal names its line and column.

Values are read by the type that a field wants, never by YAML's own guess: `0.1` for a field of text stays the
text that was written, `1e-4` for a number is a number, and `no` is a word unless a truth value is wanted.
"""

import re
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from extract.errors import InvalidInputError, unknown

NOTHING = ("", "~", "null")
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
STANDARD = "tag:yaml.org,2002:"
TAGS = ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "seq", "map")
MOST_NODES = 100_000  # of a file with its aliases and merge keys written out
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


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
LOOKS = {int: re.compile(r"[-+]?\d+"), float: re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")}


def kinds(hint: Any) -> dict[Any, None]:
    """The types that a hint allows, in order: `int | None` allows two, a tuple of texts is a tuple."""
    found = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return dict.fromkeys(typing.get_origin(kind) or kind for kind in found)


def guessed(text: str) -> Any:
    """A scalar without quotes whose type nobody wants: nothing, true, false, a decimal number, or the text itself.

    None of the surprises of YAML 1.1: `064` is 64, `1.0e5` and `1e-4` are numbers, `no` is a word.
    """
    if text in NOTHING:
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return next((kind(text) for kind, look in LOOKS.items() if look.fullmatch(text)), text)


def explained(error: yaml.MarkedYAMLError) -> str:
    """What is wrong with a YAML text, in words of its writer."""
    said = f"{error.context} {error.problem}"
    return next((words for part, words in PROBLEMS if part in said), "it cannot be understood from here on")


@dataclass(frozen=True)
class Tree:
    """One YAML document: the file's name, its root node, and the loader that builds plain values."""

    name: str
    root: yaml.Node | None
    loader: yaml.SafeLoader

    def place(self, node: yaml.Node) -> str:
        """`file:line:column`, counted from 1."""
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def refuse(self, node: yaml.Node, sentence: str) -> InvalidInputError:
        """The error that `sentence` describes, at the node's place."""
        return InvalidInputError(f"{self.place(node)}: {sentence}")

    def plain(self, node: yaml.Node) -> Any:
        """The node as dictionaries, lists and scalars, each scalar of the type that it looks like (`guessed`)."""
        if isinstance(node, yaml.MappingNode):
            return {key.value: self.plain(value) for key, value in self.items(node, "section")}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(one) for one in node.value]
        is_quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
        return node.value if is_quoted else guessed(node.value)

    def items(self, node: yaml.Node, what: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
        """The (key, value) nodes of a mapping, merge keys (`<<`) resolved; a repeated or odd key is refused."""
        if not isinstance(node, yaml.MappingNode):
            raise self.refuse(node, f"{what} must be a mapping of names to values; got {_shown(node)}.")
        seen: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.refuse(key, f"key of {what} must be a name; got {_shown(key)}.")
            if key.value in seen:
                first = seen[key.value].start_mark.line + 1
                raise self.refuse(
                    key, f"key of {what} must stand once; got {key.value!r} again (first in line {first})."
                )
            seen[key.value] = key
        return list(self._merged(node).items())

    def _merged(self, node: yaml.MappingNode) -> dict[yaml.ScalarNode, yaml.Node]:
        try:
            self.loader.flatten_mapping(node)
        except yaml.YAMLError as error:
            raise self.refuse(node, "merge key must name mappings, as in `<<: *name`; got something else.") from error
        last = {key.value: (key, value) for key, value in node.value}
        return dict(last.values())

    def sequence(self, node: yaml.Node, what: str) -> list[yaml.Node]:
        """The nodes of a list; anything else is refused."""
        if not isinstance(node, yaml.SequenceNode):
            raise self.refuse(node, f"{what} must be a list; got {_shown(node)}.")
        return node.value

    def values(self, node: yaml.Node, hint: Any, *, what: str) -> list[Any]:
        """The value that stands there, or those of a list that is not empty, as the type `hint` wants them.

        Where the type holds several values at once, a list within the list is one of them: `[[1, 2], [3]]`.
        """
        found = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not found:
            raise self.refuse(node, f"{what} must have a value; got an empty list. Leave the key out for its default.")
        return [self.value(one, hint, what=what) for one in found]

    def value(self, node: yaml.Node, hint: Any, *, what: str) -> Any:
        """The one value that stands there, as the type `hint` wants it."""
        several = bool(kinds(hint).keys() & {list, tuple})
        if several and isinstance(node, yaml.SequenceNode | yaml.ScalarNode):
            parts = node.value if isinstance(node, yaml.SequenceNode) else [node]
            texts = tuple(self.text(part, what) for part in parts)
            return ",".join(texts) if str in kinds(hint) else texts
        if not isinstance(node, yaml.ScalarNode):
            raise self.refuse(node, f"{what} must be a value or a list of values; got {_shown(node)}.")
        return self._scalar(node, hint, what=what)

    def text(self, node: yaml.Node, what: str) -> str:
        """The text of a scalar."""
        if not isinstance(node, yaml.ScalarNode):
            raise self.refuse(node, f"{what} must be text; got {_shown(node)}.")
        return node.value

    def _scalar(self, node: yaml.ScalarNode, hint: Any, *, what: str) -> Any:
        wanted = kinds(hint)
        if types.NoneType in wanted and node.style is None and node.value in NOTHING:
            return None
        for kind in (kind for kind in (int, float, bool, str) if kind in wanted):
            try:
                return read_text(node.value, kind)
            except ValueError:
                continue
        expected = " or ".join(KINDS[kind] for kind in wanted if kind in KINDS)
        raise self.refuse(node, f"{what} must be {expected}; got {node.value!r}.")

    def known(self, key: yaml.ScalarNode, names: Iterator[str] | typing.Iterable[str], *, what: str) -> None:
        """Refuses a key that is not among `names`, with the nearest of them."""
        names = list(names)
        if key.value not in names:
            raise self.refuse(key, str(unknown(what, name=key.value, known=names)))


def parse(text: str, *, name: str) -> Tree:
    """The document of a YAML text; bad YAML and a node that contains itself are refused in one sentence."""
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = name if mark is None else f"{name}:{mark.line + 1}:{mark.column + 1}"
        raise InvalidInputError(f"{place}: study must be valid YAML; {explained(error)}.") from error
    except RecursionError as error:
        raise InvalidInputError(f"{name}: study must be valid YAML; its lists are nested too deeply.") from error
    except yaml.YAMLError as error:
        raise InvalidInputError(f"{name}: study must be valid YAML; it holds characters that no text has.") from error
    tree = Tree(name, root, loader)
    if root is not None:
        _check(tree, root)
    return tree


def read(path: Path) -> Tree:
    """The document of a YAML file, which must be UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8: save it as UTF-8"
        raise InvalidInputError(f"study must be a readable YAML file; got {str(path)!r} ({reason}).") from error
    return parse(text, name=path.name)


def _check(tree: Tree, root: yaml.Node) -> None:
    """Refuses a node that contains itself, and aliases that multiply beyond what a person writes.

    Tags of no plain value are refused too, and characters of no text. Walks depth first without recursion; each node
    once, however often it is aliased.
    """
    sizes: dict[int, int] = {}  # of each finished node, everything below it written out
    open_nodes: set[int] = set()
    todo = [(root, False)]
    while todo:
        node, leaving = todo.pop()
        if leaving:
            open_nodes.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes.get(id(child), 1) for child in _children(node))
            if sizes[id(node)] > MOST_NODES:
                raise tree.refuse(
                    node, f"value must be at most {MOST_NODES} entries, aliases written out; got {sizes[id(node)]}."
                )
        elif node.tag.removeprefix(STANDARD) not in TAGS:
            raise tree.refuse(node, f"value must be plain YAML; got the tag {node.tag.replace(STANDARD, '!!')!r}.")
        elif isinstance(node, yaml.ScalarNode):
            node.value = _whole_text(tree, node)
        elif id(node) in open_nodes:
            raise tree.refuse(node, "value must not contain itself; it does, through its own anchor.")
        elif id(node) not in sizes and isinstance(node, yaml.CollectionNode):
            open_nodes.add(id(node))
            todo.append((node, True))
            todo += [(child, False) for child in _children(node)]


def _whole_text(tree: Tree, node: yaml.ScalarNode) -> str:
    """The text of a scalar; two halves of a character, as JSON writes them, become the character."""
    try:
        text = node.value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise tree.refuse(node, f"text must be of whole characters; got {node.value!r}.") from error
    if "\0" in text:
        raise tree.refuse(node, f"text must hold no NUL; got {text!r}.")
    return text


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def read_text(text: str, kind: type) -> Any:
    """A text as `kind`; ValueError where it is none."""
    if kind is bool:
        if text.lower() not in TRUTHS:
            raise ValueError(text)
        return TRUTHS[text.lower()]
    if kind is float and float(text) != float(text):
        raise ValueError(text)
    return kind(text)


def _shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return repr(node.value) if node.value else "nothing"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
