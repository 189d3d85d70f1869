"""What is kept: asked without computing, shown, and made smaller without breaking a record."""

from pathlib import Path

import pytest

from pipelines.workspace import cache

CALLS: list[str] = []


def _stage(key: str, context: object) -> dict[str, str]:
    return CALLS.append(key) or {"key": key}


def asked(workspace: Path, key: str, *, whole: bool = True) -> tuple[dict, bool]:
    return cache.ask(_stage, key, context=object(), workspace=workspace, read=dict, is_intact=lambda _: whole)


def found(workspace: Path, key: str) -> dict | None:
    return cache.find(_stage, key, workspace=workspace, read=dict)


def test_a_record_is_computed_once_and_again_when_its_artifact_is_gone(workspace):
    CALLS.clear()
    assert asked(workspace, "a") == ({"key": "a"}, False)
    assert asked(workspace, "a") == ({"key": "a"}, True)
    assert asked(workspace, "a", whole=False) == ({"key": "a"}, False)
    assert CALLS == ["a", "a"]


def test_find_answers_what_is_there_and_computes_and_makes_nothing(workspace):
    CALLS.clear()
    assert found(workspace, "a") is None
    assert not workspace.exists()
    asked(workspace, "a")
    before = sorted(workspace.rglob("*"))
    assert found(workspace, "a") == {"key": "a"}
    assert found(workspace, "b") is None
    assert sorted(workspace.rglob("*")) == before
    assert CALLS == ["a"]


def test_looking_raises_for_what_is_missing_instead_of_computing_it(workspace):
    CALLS.clear()
    asked(workspace, "a")
    with cache.looking():
        assert asked(workspace, "a") == ({"key": "a"}, True)
        with pytest.raises(cache.CacheMissError):
            asked(workspace, "b")
    assert CALLS == ["a"]
    assert asked(workspace, "b")[1] is False
