"""How often an ablation shows a difference where there is none, and how great a difference it needs.

networks: two trainings of one tiny network on the same digits that differ by nothing but their random numbers, for each
of three seeds, judged as `pipeline ablate` judges a change; nothing should be shown.
tables: simulated ablations, 1,500 validation images for each seed of which base and change answer 8 % differently.
`shown` is the share of ablations in which some change without effect was named, where seeds move every change by 0.5
points of standard deviation, or the first one by 2; `found` the share that named a change of so many points.

    python -m benchmarks.ablation
"""

import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch

from benchmarks.hardware import write
from heads.statistics import paired_over_seeds
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import network_inputs
from pipelines.training.pixels import TrainingData
from pipelines.training.prepare import prepare
from pipelines.workspace.context import Context

REPETITIONS, SEEDS = 100, 3
TINY = {"network": "resnet8", "width": 0.5, "dataset": "digits", "recipe": "cpu", "epochs": 3, "batch_size": 16}
PLAIN = {
    "optimizer": "adamw",
    "learning_rate": 0.01,
    "precision": "float32",
    "crop": 0,
    "flip": "none",
    "small_share": 0.0,
    "compile": "off",
    "validation": 0.3,
    "subset": 700,
}
IMAGES, DISPUTED = 1_500, 0.08
SIMULATED = 400


def main() -> None:
    """Measures both and writes the result file."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found = networks(Context(Path(folder)))
    print(found, flush=True)
    rows = []
    for seeds, changes in product((3, 5), (1, 6)):
        shown = {points: tables(seeds, changes, first=points) for points in (0.5, 2.0)}
        power = {points: tables(seeds, changes, first=0.5, effect=points) for points in (1.0, 2.0, 3.0)}
        rows.append({"seeds": seeds, "changes": changes, "shown": shown, "found": power})
        print(rows[-1], flush=True)
    results = {"repetitions": REPETITIONS, "networks": found, "simulated": SIMULATED, "tables": rows}
    print(write("ablation", results, libraries=("numpy", "scipy", "torch", "timm")))


def networks(context: Context) -> dict[str, object]:
    """How many repetitions show no difference, and what the trainings came to."""
    data: TrainingData | None = None
    silent, accuracies, differences = 0, [], []
    for repetition in range(REPETITIONS):
        pairs, ids = [], set()
        for seed in range(SEEDS * repetition, SEEDS * (repetition + 1)):
            # All of one subset: only the split and what is trained are drawn anew.
            key, inputs = network_inputs(NetworkSpec.of(**TINY, **PLAIN), context)
            data = data or TrainingData(inputs.located, key, splits=("train",))
            ready = prepare(replace(key, seed=seed), inputs, data=data, quiet=True)
            ids.update(ready.validation_rows.tolist())
            pairs.append(tuple(correct(ready, seed=seed + part * 1_000_000) for part in (0, 1)))
        (one,) = paired_over_seeds([pairs], distinct=len(ids))
        silent += one.interval[0] <= 0 <= one.interval[1]
        accuracies += [float(answers.mean()) for pair in pairs for answers in pair]
        differences.append(one.difference)
    spread = float(np.std(differences)), float(np.max(np.abs(differences)))
    return {
        "network": TINY | PLAIN,
        "seeds": SEEDS,
        "no_difference_shown": silent,
        "mean_accuracy": float(np.mean(accuracies)),
        "deviation_of_differences": spread[0],
        "greatest_difference": spread[1],
    }


def correct(ready, *, seed: int) -> np.ndarray:
    """bool [N]: the validation images that a network gets which is trained with other random numbers."""
    # The same split, already drawn; `_network` None has the network built anew, with this seed.
    other = replace(ready, key=replace(ready.key, seed=seed), begun=[], _network=None)
    with tempfile.TemporaryDirectory() as folder:
        fitted = other.fit(other.rows, None, folder=Path(folder))
    return other.logits(fitted.network, other.validation).argmax(1) == other.validation.labels.numpy()


def tables(seeds: int, changes: int, *, first: float, effect: float = 0.0) -> float:
    """The share of ablations that name a change; with an `effect` in points of the first change, that one."""
    rng, named = np.random.default_rng(0), 0
    for _ in range(SIMULATED):
        deviations = np.array([first, *[0.5] * (changes - 1)]) / 100
        effects = effect / 100 * (np.arange(changes) == 0)
        shifts = deviations[:, None] * rng.normal(size=(changes, seeds)) + effects[:, None]
        pairs = [[pair(rng, shift) for shift in row] for row in shifts]
        found = [one.p_value < 0.05 for one in paired_over_seeds(pairs, distinct=seeds * IMAGES)]
        named += found[0] if effect else any(found)
    return named / SIMULATED


def pair(rng: np.random.Generator, shift: float) -> tuple[np.ndarray, np.ndarray]:
    """(correct_base, correct_change) of one seed, of which the change is better by `shift`."""
    place = rng.random(IMAGES)
    only_base, only_change = DISPUTED / 2 - shift / 2, DISPUTED / 2 + shift / 2
    return (place < 0.9 - only_change) | (place > 1 - only_base), place < 0.9


if __name__ == "__main__":
    main()
