"""Options as a study gives them, by the types that a command wants; those under `defaults` anew for each command."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import yaml

from extract.errors import unknown
from pipelines.studies.jobs import COMMANDS, STARTS, options
from pipelines.studies.nodes import Tree

Pairs = list[tuple[yaml.ScalarNode, yaml.Node]]
Given = dict[str, tuple[yaml.Node, list[Any]]]  # option -> where it stands, its values


def option(key: yaml.ScalarNode) -> str:
    """The option that a key names, with hyphens or underscores."""
    return key.value.replace("-", "_")


def given(tree: Tree, pairs: Pairs, command: str) -> Given:
    """The options of `command` that the `pairs` give; InvalidInputError with the place of a mistake."""
    known = options(command)
    check_names(tree, pairs, known=known, what=f"option of {command}")
    return {option(key): (key, tree.values(value, known[option(key)], what=key.value)) for key, value in pairs}


def check_names(tree: Tree, pairs: Pairs, *, known: Iterable[str], what: str) -> None:
    """Refuses a key that is not among the options `known`, and one that stands twice under its two spellings."""
    names, seen = list(known), set()
    for key, _ in pairs:
        name = option(key)
        if name not in names:
            spelt = [one.replace("_", "-") for one in names]
            raise tree.refuse(key, str(unknown(what, name=key.value, known=spelt)))
        if name in seen:
            raise tree.refuse(key, f"option must stand once; got {key.value!r} again, under its other spelling.")
        seen.add(name)


def searched(given: Mapping[str, Any]) -> str:
    """The command whose options a search with the options `given` has: of a head, or of a network and its start."""
    if given.get("network") is None:
        return "fit-head"
    return "finetune" if any(given.get(name) not in (None, "none", "scratch") for name in STARTS) else "train"


class Defaults:
    """The section `defaults` of a study (None: it has none).

    The same name may be another type to another command: `batch-size` is text for an extraction, which may say
    "auto", and a number for a training.
    """

    def __init__(self, tree: Tree, node: yaml.Node | None) -> None:
        self._tree = tree
        self._pairs: Pairs = [] if node is None else tree.items(node, "defaults")
        every = dict.fromkeys(name for command in COMMANDS for name in options(command))
        check_names(tree, self._pairs, known=every, what="option of a study")

    def of(self, command: str) -> Given:
        """The defaults that are options of `command`, as it reads them."""
        return given(self._tree, [pair for pair in self._pairs if option(pair[0]) in options(command)], command)

    def must_apply(self, used: Collection[str]) -> None:
        """Refuses a default that is not among those `used` by a job or a search."""
        for key, _ in self._pairs:
            if option(key) not in used:
                raise self._tree.refuse(
                    key, f"default must apply to some job; {option(key)!r} applies to none. Remove it."
                )
