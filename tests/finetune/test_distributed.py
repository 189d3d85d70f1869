"""Two processes under torchrun train what one does."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from finetune import checkpoint

SCRIPT = Path(__file__).with_name("together.py")


def run(out, *launcher):
    out.mkdir()
    ended = subprocess.run(
        [sys.executable, *launcher, str(SCRIPT), str(out)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert ended.returncode == 0, ended.stderr[-3000:]


@pytest.mark.long
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_processes_give_the_weights_of_one_within_rounding(tmp_path):
    run(tmp_path / "two", "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    runpy.run_path(str(SCRIPT))["main"](tmp_path / "one")
    one = torch.load(tmp_path / "one" / "rank0.pt")
    ranks = [torch.load(tmp_path / "two" / f"rank{rank}.pt") for rank in range(2)]
    for name, value in one["weights"].items():
        assert torch.equal(ranks[0]["weights"][name], ranks[1]["weights"][name])
        assert torch.allclose(ranks[0]["weights"][name], value, atol=2e-4), name
    for alone, first in zip(one["history"], ranks[0]["history"], strict=True):
        for name in ("train_loss", "train_accuracy", "held_out_loss", "learning_rate"):
            assert first[name] == pytest.approx(alone[name], abs=2e-3)
    assert (tmp_path / "two" / "kept" / checkpoint.NAME).exists()
