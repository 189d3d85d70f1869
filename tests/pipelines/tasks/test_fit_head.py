"""What `pipeline fit-head` refuses, and answers, without an extraction."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import heads
from pipelines.specs import HeadSpec
from pipelines.tasks.fit_head import fitted_head
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.fitting import TINY

TINY = (*TINY, "--subset", "200", "--test-subset", "50")


@pytest.fixture
def extractions(monkeypatch) -> list:
    """The extractions that were begun."""
    from pipelines.tasks import extract

    begun, compute = [], extract.compute
    monkeypatch.setattr(extract, "compute", lambda key, inputs: begun.append(key) or compute(key, inputs))
    return begun


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--head foo", "unknown head 'foo'"),
        ("--head knn --epochs 3", "unknown option 'epochs' of the knn head"),
        ("--option bogus=1", "unknown option 'bogus' of the logistic head"),
        ("--c-grid -1", "c-grid must be"),
        ("--validation none", "validation"),
        ("--c-grid 1 --validation 500", "validation must be"),
        ("--seeds 0", "seeds must be a whole number from 1"),
        ("--seeds 2 --seed 4294967295", "seed must be a whole number from 0"),
        ("--shots 0", "shots must be a whole number from 1"),
        ("--shots 1,1000", "shots must be at most 20, the rows of the smallest class"),
        ("--plot nope/x.svg", "plot must be a file that can be written"),
    ],
)
def test_a_mistake_is_told_before_the_extraction_and_is_no_run(words, sentence, pipeline, extractions, tmp_path):
    ended = pipeline("fit-head", *TINY, *words.split())
    assert ended.status == 2, ended.err
    assert sentence in ended.err
    assert extractions == []
    assert records.read_all(tmp_path / "workspace") == ([], [])


def test_several_candidates_with_no_validation_split_are_no_failed_run(pipeline, tmp_path):
    path = pipeline("extract", *TINY, "--json").json["path"]
    assert pipeline("fit-head", "--features", path, "--validation", "none").status == 2
    assert records.read_all(tmp_path / "workspace") == ([], [])


def test_what_was_learned_is_told_without_an_extraction_when_the_features_are_gone(pipeline, extractions):
    words = ("fit-head", *TINY, "--c-grid", "0.1", "--seeds", 2, "--shots", "1,3", "--draws", 2, "--json")
    first = pipeline(*words).json
    assert pipeline("cache", "trim", "--to", "0").status == 0
    assert not Path(first["features"]).exists()
    assert len(extractions) == 1
    again = pipeline(*words)
    assert again.status == 0, again.err
    assert "is gone; what was learned from it is kept" in again.err
    assert again.json == {**first, "cached": True}
    assert len(extractions) == 1
    assert "from the cache" in pipeline(*words[:-1]).out


@pytest.mark.parametrize("more", [("--seeds", 2), ("--shots", "1"), ("--c-grid", "0.2")])
def test_what_was_not_learned_yet_needs_the_features_again(pipeline, extractions, more):
    words = ("fit-head", *TINY, "--c-grid", "0.1")
    assert pipeline(*words).status == 0
    pipeline("cache", "trim", "--to", "0")
    ended = pipeline(*words, *more, "--json")
    assert ended.status == 0, ended.err
    assert len(extractions) == 2


def test_a_head_that_two_commands_need_at_once_is_fitted_once(pipeline, tmp_path, monkeypatch):
    path, fit, begun = Path(pipeline("extract", *TINY, "--json").json["path"]), heads.fit_head, threading.Event()
    fitted = []

    def slow(*given, **options):
        fitted.append(given)
        begun.set()
        time.sleep(0.5)
        return fit(*given, **options)

    monkeypatch.setattr(heads, "fit_head", slow)
    with ThreadPoolExecutor(2) as pool:

        def start():
            return pool.submit(fitted_head, HeadSpec(head="centroid"), Context(tmp_path), features_path=path)

        first, second = start(), begun.wait() and start()
        assert [first.result().cached, second.result().cached] == [False, True]
    assert len(fitted) == 1
