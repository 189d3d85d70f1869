"""What mattered in a search: nothing where the trials are few or tell nothing, else shares with their spread."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from pipelines.search.importance import importance

SPACE = {
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "smoothing": FloatDistribution(0.0, 0.2),
    "optimizer": CategoricalDistribution(("adamw", "sgd")),
}


def study(count: int, accuracy, *, pruned: int = 0, space=None) -> optuna.Study:
    """Trials drawn evenly over the space, of which the last are pruned; `accuracy` (params, rng) gives the value."""
    rng, found = np.random.default_rng(3), optuna.create_study(direction="maximize")
    space = space or SPACE
    for number in range(count + pruned):
        params = {
            "learning_rate": float(10 ** rng.uniform(-4, -1)),
            "smoothing": float(rng.uniform(0, 0.2)),
            "optimizer": ("adamw", "sgd")[int(rng.integers(2))],
        }
        params = {option: params[option] for option in space}
        is_pruned = number >= count
        found.add_trial(
            optuna.trial.create_trial(
                params=params,
                distributions=space,
                value=None if is_pruned else accuracy(params, rng),
                state=TrialState.PRUNED if is_pruned else TrialState.COMPLETE,
            )
        )
    return found


def by_rate(params, rng) -> float:
    return 0.9 + 0.02 * math.log10(params["learning_rate"]) + 0.002 * rng.standard_normal()


@pytest.mark.parametrize(
    ("made", "note"),
    [
        (study(29, by_rate), "importance needs 30 complete trials; there are 29"),
        (study(6, by_rate, pruned=30), "importance needs 30 complete trials; there are 6; 30 pruned, left out"),
        (study(30, lambda *_: 0.9), "importance needs trials that differ; all 30 are equally accurate"),
        (
            study(30, by_rate, space={"learning_rate": SPACE["learning_rate"]}),
            "importance compares hyperparameters; this search has one",
        ),
    ],
)
def test_too_little_to_say_is_said(made, note):
    found = importance(made)
    assert (found.note, found.shares, found.spread) == (note, {}, {})


def test_the_option_that_moves_the_accuracy_on_its_logarithmic_scale_has_nearly_all():
    found = importance(study(40, by_rate, pruned=3))
    assert next(iter(found.shares)) == "learning_rate"
    assert found.shares["learning_rate"] > 0.9
    assert sum(found.shares.values()) == pytest.approx(1)
    for option, (low, high) in found.spread.items():
        assert low <= found.shares[option] <= high
    assert found.note == "fANOVA over 40 complete trials; 3 pruned, left out"
    assert found == importance(study(40, by_rate, pruned=3))


def test_noise_has_no_share():
    found = importance(study(30, lambda _, rng: 0.9 + 0.01 * rng.standard_normal()))
    assert found.shares == {}
    assert "predicts the accuracy of trials that it has not seen no better than their mean" in found.note
