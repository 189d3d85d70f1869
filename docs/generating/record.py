"""The fields of a record from its types, with their meanings from `fields.yaml`."""

import collections.abc
import types
import typing
from pathlib import Path
from typing import Any

import msgspec
import yaml

from generating.markdown import table

FIELDS = Path(__file__).parents[1] / "fields.yaml"


def record() -> str:
    """Tabulate the fields of a record by its types, with their meanings from `fields.yaml`."""
    meanings = yaml.safe_load(FIELDS.read_text())
    parts = []
    for paths, fields in record_fields().items():
        titles = {("",): "Fields", ("extraction",): "Fields of an extraction"}
        title = titles.get(paths) or ", ".join(f"`{path}`" for path in paths)
        first = f"{paths[0]}." if paths[0] else ""
        rows = [[f"`{name}`", kind, meanings.get(first + name, "")] for name, kind in fields.items()]
        parts.append(f"\n## {title}\n\n" + table(["field", "type", "meaning"], rows))
    return "".join(parts)


def record_fields() -> dict[tuple[str, ...], dict[str, str]]:
    """Collect {paths of a nested type: {field: its type in words}} of a run, whose path is "", and an extraction."""
    from pipelines.workspace.extractions import Extraction
    from pipelines.workspace.schema import DoneRecord

    kinds: dict[Any, list[str]] = {DoneRecord: [""], Extraction: ["extraction"]}
    found = {}
    for kind in (queue := list(kinds)):
        fields = {name: _bare(hint) for name, hint in typing.get_type_hints(kind).items()}
        for name, hint in fields.items():
            for inner in _records_in(hint):
                if inner not in kinds:
                    queue.append(inner)
                kinds.setdefault(inner, []).append(f"{kinds[kind][0]}.{name}".lstrip("."))
        found[kind] = {name: _in_words(hint) for name, hint in fields.items()}
    return {tuple(kinds[kind]): fields for kind, fields in found.items()}


def _bare(hint: Any) -> Any:
    while typing.get_origin(hint) in (typing.Required, typing.NotRequired, typing.Annotated):
        hint = typing.get_args(hint)[0]
    return hint


def _records_in(hint: Any) -> list[Any]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    return [one for inner in typing.get_args(hint) for one in _records_in(_bare(inner))]


def _in_words(hint: Any) -> str:
    hint = _bare(hint)
    names = {int: "integer", float: "number", str: "text", bool: "true or false", type(None): "null", Any: "any"}
    inner = [_in_words(one) for one in typing.get_args(hint) if one is not ...]
    match typing.get_origin(hint):
        case typing.Literal:
            return " or ".join("null" if one is None else f"{one}" for one in typing.get_args(hint))
        case typing.Union | types.UnionType:
            return " or ".join(inner)
        case origin if origin in (list, tuple, collections.abc.Sequence):
            return f"list of {inner[0]}"
        case origin if origin in (dict, collections.abc.Mapping):
            return f"object of {inner[1]}"
        case _:
            return names.get(hint, "object")
