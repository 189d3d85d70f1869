"""`pipeline fit-head`."""

import re
from pathlib import Path

import numpy as np

from extract.errors import InvalidInputError
from pipelines.workspace.rates import Rate
from tests.pipelines.fitting import TINY

QUICK_C = ("--c-grid", "1e-4,1e-2,1")


def test_fit_head_extracts_fits_scores_and_remembers(pipeline):
    first = pipeline("fit-head", *TINY, *QUICK_C, "--json")
    assert first.status == 0, first.err
    answer = first.json
    assert answer["head"] == "logistic"
    assert answer["chosen"]["C"] in (1e-4, 1e-2, 1)
    low, high = answer["test_interval"]
    assert low <= answer["test_accuracy"] <= high
    assert answer["test_accuracy"] > 0.5
    assert answer["cached"] is False
    again = pipeline("fit-head", *QUICK_C, "--json")
    assert "newest features" in again.err
    assert again.json["cached"] is True
    assert again.json["test_accuracy"] == answer["test_accuracy"]


def test_the_kept_head_gives_the_kept_logits(pipeline):
    from safetensors.numpy import load_file

    import heads
    from extract.features.store import FeatureFile

    answer = pipeline("fit-head", *TINY, *QUICK_C, "--json").json
    head, recipe = heads.load(answer["path"])
    test = FeatureFile(Path(answer["features"])).read("test")
    kept = load_file(Path(answer["path"]) / "test.safetensors")
    assert np.array_equal(head.logits(test.features[0]), kept["logits"])
    assert np.array_equal(kept["labels"], test.labels)
    assert recipe["features"]["backbone"] == "test_resnet"
    assert (kept["logits"].argmax(1) == test.labels).mean() == answer["test_accuracy"]


def test_fit_head_without_validation_says_so(pipeline):
    answer = pipeline("fit-head", *TINY, "--c-grid", "0.01", "--validation", "none", "--json")
    assert answer.json["validation_accuracy"] is None
    refused = pipeline("fit-head", *TINY, "--c-grid", "0.01,1", "--validation", "none", "--json")
    assert refused.status == 2


def test_a_head_on_features_of_an_earlier_command_says_what_they_took(pipeline):
    words = (*TINY, "--subset", 60, "--test-subset", 50)
    took = pipeline("extract", *words, "--json").json["seconds"]
    assert took > 0
    found = [pipeline("fit-head", *given, "--head", "centroid", "--json").json for given in (words, (), words)]
    assert [one["extraction_seconds"] for one in found] == [took] * 3


def test_a_bare_head_says_what_it_begins_and_for_how_long(pipeline, monkeypatch, fake_cifar):
    place = fake_cifar("cifar10", [f"class {index}" for index in range(10)], train=2, test=1)
    monkeypatch.setattr("pipelines.studies.timing.embedding", lambda *_, **__: Rate(seconds=0.1))
    monkeypatch.setattr("pipelines.tasks.fit_head.fit", lambda *_: (_ for _ in ()).throw(InvalidInputError("begun")))
    ended = pipeline("fit-head", "--data-dir", place)
    assert re.search(r"extracting those of resnet50 on cifar10, about \d.*; --subset 5000 .* takes about \d", ended.err)
