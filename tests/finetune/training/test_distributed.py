"""Two processes, started as torchrun starts them, train what one does."""

import os
import runpy
from pathlib import Path

import pytest
import torch

from finetune.architectures import networks
from finetune.training import checkpoint, distributed

SCRIPT = Path(__file__).with_name("together.py")
AGREED = Path(__file__).with_name("agreed.py")
PAIR = Path(__file__).parents[2] / "pair.py"

pytestmark = [
    pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed"),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, which this system cannot"),
]


@pytest.mark.long
def test_two_processes_give_the_weights_of_one_within_rounding(tmp_path, in_process):
    in_process(PAIR, SCRIPT, tmp_path / "two")
    runpy.run_path(str(SCRIPT))["main"](tmp_path / "one")
    one = torch.load(tmp_path / "one" / "rank0.pt")
    ranks = [torch.load(tmp_path / "two" / f"rank{rank}.pt") for rank in range(2)]
    for name, value in one["weights"].items():
        assert torch.equal(ranks[0]["weights"][name], ranks[1]["weights"][name])
        assert torch.allclose(ranks[0]["weights"][name], value, atol=2e-4), name
    for alone, first in zip(one["history"], ranks[0]["history"], strict=True):
        for name in ("running_training_loss", "running_training_accuracy", "validation_loss", "learning_rate"):
            assert first[name] == pytest.approx(alone[name], abs=2e-3)
    assert (tmp_path / "two" / "kept" / checkpoint.NAME).exists()


def test_two_processes_judge_alike_and_end_together(tmp_path, in_process):
    in_process(PAIR, AGREED, tmp_path / "two")
    first, second = (torch.load(tmp_path / "two" / f"rank{rank}.pt") for rank in range(2))
    assert first["history"] == second["history"]
    assert {"running_training_loss", "validation_loss", "validation_accuracy"} <= set(first["history"][0])
    assert len({row["learning_rate"] for row in first["history"]}) > 1
    assert first["ending"] == second["ending"]
    assert first["ending"].startswith("training must keep a finite loss and weights; got")


@pytest.mark.parametrize("name", ["resnet20", "preact20", "vgg11", "densenet-bc-40-12", "airbench94"])
def test_synchronized_a_network_computes_what_it_did_and_its_norms_are_known(monkeypatch, name):
    network = networks.build(name, n_classes=10, image_size=32).eval()
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, biases = network(images), networks.bias_parameters(network)
        monkeypatch.setattr(distributed, "world_count", lambda: 2)
        converted = distributed.synchronized(network, torch.device("cuda"))
        kinds = {type(module).__name__ for module in converted.modules() if "BatchNorm" in type(module).__name__}
        assert kinds <= {"SyncBatchNorm", "SyncBatchNormAct"}
        assert bool(kinds) == bool(biases)
        assert torch.equal(converted(images), expected)
    assert list(map(id, networks.bias_parameters(converted))) == list(map(id, biases))
