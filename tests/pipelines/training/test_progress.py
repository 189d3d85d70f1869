"""The one estimate of a training: told when its speed is known, and only then."""

from dataclasses import replace

from finetune.training.config import TrainingProgress
from pipelines.training.progress import LOOKS, ProgressReporter
from pipelines.workspace.context import Context

ROW = {"training_loss": 1.0, "training_accuracy": 0.5}


def told(moments):
    """The speeds that are told while a training passes `moments`."""
    found = []
    context = Context(None, "cpu", estimated=lambda estimate: found.append(estimate.images_per_second))
    reporter = ProgressReporter(context, images=1000)
    for now in moments:
        reporter.report(now)
    return found


def test_the_estimate_waits_for_a_few_looks_or_the_end_of_the_first_epoch_and_comes_once():
    first = TrainingProgress(1, 10, 5, 100, 1.0, 0.5, 0.1, 100.0, 90.0, None)
    looks = [replace(first, step=step, images_per_second=100.0 + step) for step in (10, 20, 30, 40, 50)]
    assert told(looks) == [looks[LOOKS - 1].images_per_second]
    over = replace(first, step=100, images_per_second=150.0, row=ROW)
    assert told([first, over, *looks]) == [150.0]
    assert told([first]) == []
