"""A step on shapes refuses what a step would fail of, in terms of the options."""

import pytest
import torch

from extract.errors import InvalidInputError
from finetune.analysis import rehearsal
from finetune.analysis.rehearsal import rehearse
from finetune.architectures import modes, networks
from finetune.recipes import RECIPES, overridden

PART = r"part of a batch must be at least 2 images.*got 1 \(--batch-size 8, --accumulate %s, %s\)"


def rehearsed(name, size, *, mode="scratch", processes=1, stages=None, **options):
    with torch.device("meta"):
        network = networks.build(name, n_classes=10, image_size=size)
    if stages is not None:
        modes.freeze(network, trained_stages=stages)
    recipe = overridden(RECIPES["short"], **{"batch_size": 8, **options})
    rehearse(network, name=name, mode=mode, recipe=recipe, image_size=size, process_count=processes)


@pytest.mark.parametrize(
    ("name", "size", "options"),
    [
        ("test_resnet", 32, {}),
        ("test_resnet", 32, {"accumulate": 8, "batchnorm": "eval"}),
        ("test_resnet", 32, {"accumulate": 8, "stages": 0, "mode": "partial:0"}),  # frozen norms are not asked
        ("test_resnet", 64, {"accumulate": 8}),  # maps of more than one position
        ("resnet20", 32, {"accumulate": 8}),
        ("test_resnet", 32, {"accumulate": 8, "mode": "frozen"}),
        ("test_vit3", 32, {"mode": "head-first"}),
    ],
)
def test_what_trains_passes(name, size, options):
    rehearsed(name, size, **options)


def test_a_step_that_works_is_taken_once(monkeypatch):
    rehearsed("test_resnet", 32)
    monkeypatch.setattr(rehearsal, "_step", lambda *_, **__: pytest.fail("the same step again"))
    rehearsed("test_resnet", 32, learning_rate=0.5)
    for other in ({"batch_size": 4}, {"batchnorm": "eval"}, {"stages": 1}):
        with pytest.raises(pytest.fail.Exception):
            rehearsed("test_resnet", 32, **other)


@pytest.mark.parametrize(
    ("name", "size", "options", "message"),
    [
        ("test_resnet", 32, {"accumulate": 8}, PART % (8, "1 process")),
        ("test_resnet", 32, {"accumulate": 4, "processes": 2}, PART % (4, "2 processes")),
        ("airbench94", 32, {"mode": "frozen"}, "mode of airbench94 must be full or partial:K, because its last layer"),
        ("test_vit3", 32, {"small_share": 0.5}, "small share must be 0 for a network that cannot see images of 24"),
    ],
)
def test_what_would_fail_is_refused(name, size, options, message):
    with pytest.raises(InvalidInputError, match=message):
        rehearsed(name, size, **options)
