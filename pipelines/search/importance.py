"""Importance of hyperparameters: the share of the variation of accuracy over the space that each explains.

fANOVA (Hutter, Hoos and Leyton-Brown, ICML 2014): a random forest learns accuracy from the options, and the share of
an option is the variance of the forest's mean along that option alone. PED-ANOVA (Watanabe, Bansal and Hutter, IJCAI
2023), Optuna's default, compares the best tenth of the trials with all: of 30 trials that tenth is three. On noise,
96 to 99 of 100 searches show no share, or spreads that contain the equal one (benchmarks/importance.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

LEAST_TRIALS = 30
REFITS = 20  # of the forest, each on as many trials drawn with replacement
TREES = 16  # of a refit
OUT_OF_BAG_TREES = 100


@dataclass(frozen=True)
class Importance:
    """`shares` are means over the refits, greatest first, and sum to 1; `spread` holds their least and greatest.

    `note` says what they are from, or why there are none.
    """

    note: str
    shares: dict[str, float] = field(default_factory=dict)
    spread: dict[str, tuple[float, float]] = field(default_factory=dict)


def importance(study: optuna.Study) -> Importance:
    """The importance of each option over the completed trials; none where these tell nothing about it.

    A forest that predicts the trials left out of its trees no better than their mean has learned noise.
    """
    complete = [one for one in study.get_trials(deepcopy=False) if one.state == TrialState.COMPLETE]
    pruned = sum(one.state == TrialState.PRUNED for one in study.get_trials(deepcopy=False))
    left_out = f"; {pruned} pruned, left out" if pruned else ""
    if len(complete) < LEAST_TRIALS:
        return Importance(f"importance needs {LEAST_TRIALS} complete trials; there are {len(complete)}{left_out}")
    if len(complete[0].params) < 2:
        return Importance("importance compares hyperparameters; this search has one")
    if len({one.value for one in complete}) < 2:
        return Importance(f"importance needs trials that differ; all {len(complete)} are equally accurate")
    explained = _explained(complete)
    if explained <= 0:
        return Importance(
            "importance is not shown: a random forest predicts the accuracy of trials that it has not seen no better "
            f"than their mean (R² {explained:.2f})"
        )
    return _over_refits(complete, note=f"fANOVA over {len(complete)} complete trials{left_out}")


def _over_refits(trials: Sequence[FrozenTrial], *, note: str) -> Importance:
    rng = np.random.default_rng(0)
    drawn = [rng.integers(len(trials), size=len(trials)) for _ in range(REFITS)]
    found = [_shares([trials[at] for at in rows], seed=seed) for seed, rows in enumerate(drawn)]
    means = {option: float(np.mean([one[option] for one in found])) for option in trials[0].params}
    return Importance(
        note,
        shares=dict(sorted(means.items(), key=lambda item: -item[1])),
        spread={option: (min(one[option] for one in found), max(one[option] for one in found)) for option in means},
    )


def _shares(trials: Sequence[FrozenTrial], *, seed: int) -> dict[str, float]:
    """fANOVA of one forest, in which an option that is drawn on a logarithmic scale counts on that scale."""
    study = optuna.create_study(direction="maximize")
    scales = {option: _even(one) for option, one in trials[0].distributions.items()}
    study.add_trials(
        [
            optuna.trial.create_trial(params=_even_params(one), distributions=scales, value=float(one.value or 0.0))
            for one in trials
        ]
    )
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {option: float(share) for option, share in shares.items()}


def _even(distribution: BaseDistribution) -> BaseDistribution:
    """The distribution whose values are drawn evenly."""
    if isinstance(distribution, FloatDistribution | IntDistribution) and distribution.log:
        return FloatDistribution(math.log(distribution.low), math.log(distribution.high))
    return distribution


def _even_params(trial: FrozenTrial) -> dict[str, object]:
    return {
        option: math.log(value) if getattr(trial.distributions[option], "log", False) else value
        for option, value in trial.params.items()
    }


def _explained(trials: Sequence[FrozenTrial]) -> float:
    """R² of a random forest over the trials that each of its trees has not seen (Breiman 2001)."""
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(OUT_OF_BAG_TREES, oob_score=True, random_state=0)
    forest.fit(np.array([_encoded(one) for one in trials]), [one.value for one in trials])
    return float(forest.oob_score_)


def _encoded(trial: FrozenTrial) -> list[float]:
    """The options as numbers; a choice as an indicator for each."""
    numbers: list[float] = []
    for option, value in _even_params(trial).items():
        distribution = trial.distributions[option]
        if isinstance(distribution, CategoricalDistribution):
            numbers += [float(value == choice) for choice in distribution.choices]
        else:
            numbers.append(float(value))  # type: ignore[arg-type]
    return numbers
