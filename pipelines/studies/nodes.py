"""YAML as a tree of nodes that know where they stand, so that every refusal names its line and column.

Values are read by the type that a field wants, never by YAML's own guess: `0.1` for a field of text stays the
text that was written, `1e-4` for a number is a number, and `no` is a word unless a truth value is wanted.
"""

import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from extract.errors import InvalidInput, unknown

NOTHING = ("", "~", "null")
TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def kinds(hint: Any) -> dict[Any, None]:
    """The types that a hint allows, in order: `int | None` allows two, a tuple of texts is a tuple."""
    found = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    return dict.fromkeys(typing.get_origin(kind) or kind for kind in found)


@dataclass(frozen=True)
class Tree:
    """One YAML document: the file's name, its root node, and the loader that builds plain values."""

    name: str
    root: yaml.Node | None
    loader: yaml.SafeLoader

    def place(self, node: yaml.Node) -> str:
        """`file:line:column`, counted from 1."""
        return f"{self.name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"

    def refuse(self, node: yaml.Node, sentence: str) -> InvalidInput:
        """The error that `sentence` describes, at the node's place."""
        return InvalidInput(f"{self.place(node)}: {sentence}")

    def plain(self, node: yaml.Node) -> Any:
        """The node as dictionaries, lists and scalars, as `yaml.safe_load` gives them."""
        try:
            return self.loader.construct_document(node)
        except (yaml.YAMLError, ValueError) as error:
            raise self.refuse(node, f"section must be plain YAML; {_first_line(error)}.") from error

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
            raise self.refuse(node, f"merge key must name mappings; {_first_line(error)}.") from error
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
                return _read(node.value, kind)
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
        raise InvalidInput(f"{place}: study must be valid YAML; {error.problem or error.context}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InvalidInput(f"{name}: study must be valid YAML; {_first_line(error)}.") from error
    tree = Tree(name, root, loader)
    if root is not None:
        _refuse_cycles(tree, root)
    return tree


def read(path: Path) -> Tree:
    """The document of a YAML file, which must be UTF-8."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidInput(f"study must be a readable YAML file; got {str(path)!r} ({reason}).") from error
    return parse(text, name=path.name)


def _refuse_cycles(tree: Tree, root: yaml.Node) -> None:
    """Walks depth first without recursion; each node once, however often it is aliased."""
    done: set[int] = set()
    open_nodes: set[int] = set()
    todo = [(root, False)]
    while todo:
        node, leaving = todo.pop()
        if leaving:
            open_nodes.discard(id(node))
            done.add(id(node))
        elif id(node) in open_nodes:
            raise tree.refuse(node, "value must not contain itself; it does, through its own anchor.")
        elif id(node) not in done and isinstance(node, yaml.CollectionNode):
            open_nodes.add(id(node))
            todo.append((node, True))
            todo += [(child, False) for child in _children(node)]


def _children(node: yaml.CollectionNode) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return list(node.value)


def _read(text: str, kind: type) -> Any:
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


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
