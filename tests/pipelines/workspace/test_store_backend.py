"""Answers on the disk: checked, and of the shape that their function declares."""

from typing import TypedDict

import pytest

from extract.errors import TransferBenchError
from pipelines.workspace import cache
from tests.pipelines.workspace.cached import asked, found


class _Whole(TypedDict):
    key: str


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
