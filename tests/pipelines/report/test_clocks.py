"""The clock of a run: what its classifier took stands in extraction, search and fit, its test images in evaluation."""

import json
import time

import pytest

from finetune.training.trainer import Trainer
from pipelines.training import pixels
from pipelines.training.prepare import PreparedTraining
from pipelines.workspace import records
from tests.pipelines.fitting import UNTRAINED

DATA = ("--dataset", "digits", "--subset", 120, "--test-subset", 60)
NETWORK = (
    *("train", "--network", "resnet8", "--width", 0.25, *DATA, "--image-size", 8, "--recipe", "cpu", "--epochs", 2),
    *("--batch-size", 24, "--crop", 0, "--flip", "none", "--small-share", 0.0, "--tta", "none", "--validation", 20),
)
# Seconds of each split's reading, of an epoch's updates, of each pass over validation images, of each final scoring.
READING, UPDATING, VALIDATING, SCORING = 1.0, 10.0, 100.0, 1000.0


@pytest.fixture
def takes(monkeypatch):
    """Makes the clock stand still but for the functions that are said to take so many seconds."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def take(place, name, seconds):
        plain = getattr(place, name)

        def slow(*arguments, **options):
            now[0] += seconds
            return plain(*arguments, **options)

        monkeypatch.setattr(place, name, slow)

    return take


@pytest.mark.parametrize("refit", [False, True])
def test_a_network_s_clock_holds_reading_and_validation_and_nothing_of_the_test_images(
    pipeline, tmp_path, takes, refit
):
    takes(pixels, "_held", READING)
    takes(Trainer, "epoch_batches", UPDATING)
    takes(Trainer, "_scores", VALIDATING)  # of the fixed sample of training images too, which is on no clock
    takes(PreparedTraining, "logits", SCORING)  # of the validation images, then of the test images
    answer = pipeline(*NETWORK, *(["--refit"] if refit else []), "--json").json
    record = records.read(tmp_path / "workspace", answer["run"])
    scored = 2 * UPDATING + 2 * VALIDATING + SCORING
    search, fit = (scored, 2 * UPDATING + READING) if refit else (0.0, scored + READING)
    assert record.seconds == {
        "search": search, "fit": fit, "evaluation": READING + SCORING, "total": search + fit + READING + SCORING
    }  # fmt: skip
    assert record.cost_seconds == search + fit


def test_a_head_s_clock_holds_the_training_images_share_of_the_extraction(pipeline, tmp_path):
    words = ("fit-head", *DATA, *UNTRAINED, "--image-size", 32)
    record = records.read(tmp_path / "workspace", pipeline(*words, "--json").json["run"])
    (note,) = (tmp_path / "workspace" / "extractions").glob("*.json")
    whole = json.loads(note.read_text())["seconds"]
    seconds = record.seconds
    assert seconds["extraction"] == pytest.approx(whole * 120 / 180)
    assert seconds["evaluation"] > whole * 60 / 180
    assert record.cost_seconds == pytest.approx(seconds["extraction"] + seconds["search"] + seconds["fit"])
