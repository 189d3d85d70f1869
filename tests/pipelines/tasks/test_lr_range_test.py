"""The learning-rate range test as a task."""

import pytest


def test_a_figure_that_cannot_be_written_is_refused_before_the_test_of_rates(pipeline, monkeypatch, tmp_path):
    from pipelines.training import prepare

    monkeypatch.setattr(prepare, "prepare", lambda *_: pytest.fail("the test was begun"))
    words = ("train", "--network", "resnet20", "--dataset", "digits", "--find-learning-rate")
    ended = pipeline(*words, "--plot", tmp_path / "nodir" / "lr.png")
    assert ended.status == 2
    assert "plot must be a file that can be written" in ended.err


def test_several_processes_are_refused(pipeline, monkeypatch):
    monkeypatch.setattr("pipelines.tasks.lr_range_test.processes.count", lambda: 2)
    ended = pipeline("train", "--network", "resnet20", "--dataset", "digits", "--find-learning-rate")
    assert ended.status == 2
    assert "range test must be of one process; got 2. Start it without torchrun." in ended.err
