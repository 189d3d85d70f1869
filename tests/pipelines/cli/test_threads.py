"""`--threads`, and how threads wait."""

import os
import subprocess
import sys

import pytest
import torch

from extract.runtime import SHARED_FROM_FLOPS, threads_for
from pipelines.cli import threads

SHOW = """
import os
from pipelines.cli import group, main
def show(*_):
    import torch
    from extract.machine import thread_count
    from pipelines.cli import threads
    threads.use(1)
    print(torch.get_num_threads(), thread_count(), os.environ.get("GOMP_SPINCOUNT"))
group.main = show
main()
"""


def shown(**environment: str) -> list[str]:
    clean = {name: value for name, value in os.environ.items() if name not in (*threads.COUNTS, *threads.WAITING)}
    command = [sys.executable, "-c", SHOW]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env={**clean, **environment}
    ).stdout.split()


def test_threads_wait_without_spinning_unless_the_environment_says_how():
    assert shown() == ["1", "1", "1000"]
    assert shown(OMP_WAIT_POLICY="active") == ["1", "1", "None"]


@pytest.mark.parametrize("count", ["0", "-2"])
def test_a_number_of_threads_below_1_is_refused(pipeline, count):
    found = pipeline("runs", "--threads", count)
    assert found.status == 2
    assert f"threads must be a whole number from 1; got {count}" in found.err


def test_small_operators_run_on_one_thread_and_others_on_all():
    assert threads_for(10 * SHARED_FROM_FLOPS - 1, operators=10) == 1
    assert threads_for(10 * SHARED_FROM_FLOPS, operators=10) is None


@pytest.mark.parametrize(("side", "expected"), [(8, 1), (64, 2)])
def test_a_training_of_tiny_images_runs_on_one_thread(side, expected):
    from finetune import networks
    from finetune.trainer import step_threads

    network = networks.build("resnet20", class_count=10, image_size=side, options={"width": 0.5})
    count = step_threads(network, rows=64, image_size=(side, side), device=torch.device("cpu"))
    assert (count or 2) == expected
