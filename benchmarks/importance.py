"""Importance of hyperparameters where none matters: how often the shares of pure noise would mislead.

Each repetition is a search whose accuracies are drawn from a normal distribution whatever the options, its trials by
Optuna's TPE as in a search, or evenly. It is right where no share is shown, or where the spread of every option
contains the equal share. `python benchmarks/importance.py`
"""

from itertools import product

import numpy as np
import optuna
from hardware import write
from optuna.distributions import CategoricalDistribution, FloatDistribution

from pipelines.search.importance import importance
from pipelines.search.journal import STARTUP_TRIALS

REPETITIONS = 100
OPTIONS = {
    "learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
    "optimizer": CategoricalDistribution(("adamw", "sgd", "muon")),
    "label_smoothing": FloatDistribution(0.0, 0.2),
    "weight_decay": FloatDistribution(1e-6, 1e-2, log=True),
}
SEARCHES = tuple(product((30, 60), (2, 4), ("tpe", "random")))  # trials, options, sampler


def noise(*, trials: int, options: int, sampler: str, seed: int) -> optuna.Study:
    """A search over the first `options`, whose accuracies depend on none of them."""
    rng = np.random.default_rng(seed)
    drawn = (
        optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)
        if sampler == "tpe"
        else optuna.samplers.RandomSampler(seed=seed)
    )
    study = optuna.create_study(direction="maximize", sampler=drawn)
    space = dict(list(OPTIONS.items())[:options])
    for _ in range(trials):
        study.tell(study.ask(space), 0.9 + 0.01 * rng.standard_normal())
    return study


def scored(study: optuna.Study) -> tuple[bool, bool]:
    """Whether shares are shown, and whether what is shown is right."""
    found = importance(study)
    equal = 1 / max(len(found.shares), 1)
    return bool(found.shares), all(low <= equal <= high for low, high in found.spread.values())


def main() -> None:
    """Writes the share of right repetitions by kind of search."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    for trials, options, sampler in SEARCHES:
        found = [scored(noise(trials=trials, options=options, sampler=sampler, seed=one)) for one in range(REPETITIONS)]
        shown, right = (sum(part) for part in zip(*found, strict=True))
        rows.append({"trials": trials, "options": options, "sampler": sampler, "shown": shown, "right": right})
        print(rows[-1], flush=True)
    libraries = ("optuna", "scikit-learn", "numpy")
    print(write("importance", {"repetitions": REPETITIONS, "searches": rows}, libraries=libraries))


if __name__ == "__main__":
    main()
