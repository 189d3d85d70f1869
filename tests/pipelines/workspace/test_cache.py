"""What is kept: asked without computing, shown, and made smaller without breaking a record."""

import pytest

from pipelines.workspace import cache
from tests.pipelines.workspace.cached import CALLS, asked, found


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
