"""Scores of a record that come from logits alone."""

import numpy as np

from extract.data import datasets
from extract.data.near_copies import PATH
from pipelines.training import scores

IDS = [f"test/{row:05d}" for row in range(10_000)]


def scored(**dataset):
    rng = np.random.default_rng(0)
    labels, logits = rng.integers(0, 10, len(IDS)), rng.normal(size=(len(IDS), 10)).astype(np.float32)
    names = [str(label) for label in range(10)]
    given = {"ids": IDS, "class_names": names, "temperature": None, "averaged": None}
    return scores.on_test(logits, labels, **given, dataset=dataset), logits.argmax(axis=1) == labels


def test_of_cifar_10_there_is_a_score_without_the_listed_images():
    found, is_right = scored(name="cifar10", digest=datasets.digest("cifar10"))
    listed = {int(line[5:10]) for line in PATH.read_text().splitlines()}
    kept = [row for row in range(len(IDS)) if row not in listed]
    clean = found["test_without_near_copies"]
    assert clean["rows"] == len(kept) < len(IDS) == found["test"]["rows"]
    assert clean["accuracy"] == is_right[kept].mean()
    assert clean["interval"][0] < clean["accuracy"] < clean["interval"][1]


def test_of_other_data_there_is_none():
    for name, digest in (("cifar10", "a folder's"), ("digits", datasets.digest("digits"))):
        assert "test_without_near_copies" not in scored(name=name, digest=digest)[0]
