"""The common options."""

import pytest


def test_paths_that_begin_with_a_tilde_are_in_the_users_folder(pipeline, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "work").mkdir()
    assert pipeline("cache", "--workspace", "~/work", "--json").json["workspace"] == str(tmp_path / "work")


@pytest.mark.parametrize("words", [("--json", "trim", "--to", "1GiB"), ("trim", "--to", "1GiB", "--json")])
def test_an_option_stands_before_or_behind_a_sub_command(pipeline, words):
    assert pipeline("cache", *words).json["removed"] == []


def test_a_network_that_is_named_twice_is_refused(pipeline):
    ended = pipeline("train", "resnet20", "--network", "resnet32")
    assert ended.status == 2
    assert "network must be named once; got 'resnet20' and --network resnet32" in ended.err
