"""Answers on the disk: checked, and of the shape that their function declares."""

from pathlib import Path
from typing import TypedDict

import pytest

from extract.errors import TransferBenchError
from pipelines.workspace import cache


class _Whole(TypedDict):
    key: str


CALLS: list[str] = []


def _stage(key: str, context: object) -> dict[str, str]:
    return CALLS.append(key) or {"key": key}


def asked(workspace: Path, key: str, *, whole: bool = True) -> tuple[dict, bool]:
    return cache.ask(_stage, key, context=object(), workspace=workspace, read=dict, is_intact=lambda _: whole)


def found(workspace: Path, key: str) -> dict | None:
    return cache.find(_stage, key, workspace=workspace, read=dict)


@pytest.mark.parametrize("half", [None, {}, {"key": 5}, 5])
def test_an_answer_of_another_shape_than_declared_is_never_kept(workspace, half):
    def stage(key: str, context: object) -> _Whole:
        return half

    with pytest.raises(TransferBenchError, match="must have its declared shape"):
        cache.ask(stage, "a", context=None, workspace=workspace, read=dict)
    assert not list(workspace.rglob("*.json"))


def test_a_cache_entry_that_is_cut_short_counts_as_none(workspace):
    asked(workspace, "a")
    (entry,) = workspace.rglob("_stage/*.json")
    entry.write_bytes(entry.read_bytes()[:-5])
    assert found(workspace, "a") is None
    assert asked(workspace, "a") == ({"key": "a"}, False)
    assert found(workspace, "a") == {"key": "a"}
