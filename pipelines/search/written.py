"""A search as a file describes it: a space alone, or the `search` section of a study over the study's defaults."""

import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipelines.specs import ExtractSpec
from pipelines.studies import jobs, nodes
from pipelines.studies.defaults import Defaults, Pairs, check_names, option, searched

ABOUT = {"trials": int, "timeout": float | None, "name": str | None, "seed": int}
SPACE = "space"
SUBJECTS = ("head", "network")


def read(path: Path) -> "Written":
    """What the YAML file at `path` says of a search; of a study, its `search` section and its defaults.

    Raises `InvalidInputError` with file, line and column for what is no YAML and for a key that stands twice.
    """
    tree = nodes.read(path)
    sections = tree.items(tree.root, "search") if isinstance(tree.root, yaml.MappingNode) else []
    named = {key.value: value for key, value in sections}
    if not {"search", "jobs"} & named.keys():
        return _written(tree, tree.root, Defaults(tree, None))
    return _written(tree, named.get("search"), Defaults(tree, named.get("defaults")))


@dataclass(frozen=True)
class Written:
    """The space as plain values (None: the built-in one), and the options that stand beside it and above it.

    An option is read by the type that what is searched wants, which the command line may say as well.
    """

    entries: Any
    tree: nodes.Tree
    pairs: Pairs
    defaults: Defaults

    def options(self, flags: Mapping[str, Any]) -> dict[str, Any]:
        """All options by name: the `flags` of a command line, then those of the section, then the study's defaults.

        A default counts as for a job: where what is searched has the option. It gives way to a space that varies
        the option, and to a feature file, which is described already. Raises `InvalidInputError` with the place of an
        option that is not known or that cannot be read.
        """
        command = searched({**{option(key): node.value for key, node in self.pairs}, **flags})
        given = {**self._section(command), **flags}
        return {**self._inherited(command, given), **given}

    def _section(self, command: str) -> dict[str, Any]:
        known = {**_known(command), **ABOUT}
        what = "a head" if command == "fit-head" else "a network"
        check_names(self.tree, self.pairs, known=known, what=f"option of a search over {what}")
        return {option(key): _value(self.tree, node, known[option(key)], key.value) for key, node in self.pairs}

    def _inherited(self, command: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, (where, values) in self.defaults.of(command).items():
            if name in given or name in self._varied(command) or name == jobs.REPEATS:
                continue
            if "features" in given and name in typing.get_type_hints(ExtractSpec):
                continue
            if len(values) > 1:
                raise self.tree.refuse(
                    where, f"default {name} must be one value for a search; got {len(values)}. Give it under `search:`."
                )
            found[name] = values[0]
        return found

    def _varied(self, command: str) -> Collection[str]:
        """The options that the space varies. Those of an extraction are none: a head may have some of that name."""
        names = {str(name).replace("-", "_") for name in self.entries} if isinstance(self.entries, Mapping) else set()
        return names - set(typing.get_type_hints(ExtractSpec)) if command == "fit-head" else names


def _written(tree: nodes.Tree, node: yaml.Node | None, defaults: Defaults) -> Written:
    """With a key `space`, or one that says what is searched, the others are options; else all of it is the space."""
    if node is None:
        return Written(None, tree, [], defaults)
    _refuse_doubles(tree, node)
    pairs = tree.items(node, "search") if isinstance(node, yaml.MappingNode) else []
    space = next((value for key, value in pairs if option(key) == SPACE), None)
    if space is None and not {option(key) for key, _ in pairs} & set(SUBJECTS):
        return Written(tree.plain(node), tree, [], defaults)
    options = [pair for pair in pairs if option(pair[0]) != SPACE]
    return Written(None if space is None else tree.plain(space), tree, options, defaults)


def _known(command: str) -> dict[str, Any]:
    """The options of what is searched, with their types."""
    if command == "fit-head":
        heads = {name: hint for name, hint in jobs.options(command).items() if name != jobs.REPEATS}
        return {**heads, "network": str, "features": str | None}
    return {**jobs.options("finetune"), "head": str}


def _value(tree: nodes.Tree, node: yaml.Node, hint: Any, what: str) -> Any:
    """The one value that stands there; a list is one only for an option that holds several."""
    if isinstance(node, yaml.SequenceNode):
        kinds = nodes.kinds(hint)
        if list in kinds:
            return tree.plain(node)
        if tuple not in kinds:
            raise tree.refuse(node, f"{what} must be one value; got a list. Options with several go under `space:`.")
    return tree.value(node, hint, what=what)


def _refuse_doubles(tree: nodes.Tree, node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        for _, value in tree.items(node, "a search space"):
            _refuse_doubles(tree, value)
