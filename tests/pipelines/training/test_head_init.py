"""Linear probe, then fine-tune: a training starts from the fitted head."""

import torch

from tests.pipelines.training.small import RECIPE, tensors


def test_head_first_starts_at_the_frozen_head(pipeline, tuning, tmp_path):
    tuning = (*tuning, "--precision", "float32")
    frozen = pipeline(*tuning, "--mode", "frozen", "--json").json
    still = pipeline(*tuning, *RECIPE, "--mode", "head-first", "--learning-rate", "1e-12", "--json").json
    moved = pipeline(*tuning, *RECIPE, "--mode", "head-first", "--learning-rate", "1e-3", "--json").json
    assert still["test_accuracy"] == frozen["test_accuracy"]
    assert moved["log_loss"] != frozen["log_loss"]
    assert not torch.equal(tensors(moved)["conv1.0.weight"], tensors(frozen)["conv1.0.weight"])


def test_a_training_that_loses_its_fitted_head_says_so(pipeline, tuning):
    words = (*tuning, *RECIPE, "--mode", "head-first", "--clip-norm", 1, "--learning-rate")
    lost, kept = pipeline(*words, 0.1), pipeline(*words, 1e-6)
    assert lost.status == kept.status == 0
    assert "the first epoch lost what the fitted head knew" in lost.err
    assert "the first epoch lost" not in kept.err


def test_with_a_validation_split_the_starting_head_never_sees_it(pipeline, tuning):
    frozen = pipeline(*tuning, "--mode", "frozen", "--validation", "0.25", "--json").json
    everything = pipeline(*tuning, "--mode", "frozen", "--json").json
    assert (frozen["training_rows"], frozen["validation_rows"]) == (150, 50)
    assert frozen["validation_accuracy"] is not None
    assert not torch.equal(tensors(frozen)["fc.weight"], tensors(everything)["fc.weight"])
