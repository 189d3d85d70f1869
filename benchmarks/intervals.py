"""Coverage of intervals and size of tests: enumeration where it is exact, else simulation.

accuracies:  least coverage of the interval of one accuracy, over accuracies from 0.5 to 1 - 2 / n, exact;
pairs:       least coverage of the interval of a difference, over tables with nearly empty sides too, exact;
rows:        coverage of the interval of several seeds, whose accuracy varies over seeds by some points;
equal rows:  share of comparisons of two equal methods of so many seeds that show a difference;
calibration: share of answers drawn from their own confidences that are called calibrated;
temperature: test log loss at the fitted temperature over that without, on problems of few validation rows.

Answers of seeds: an image is answered correctly with the probability that a logit gives, which is the image's
(normal, standard deviation 6 or 2: seeds agree on most images or on fewer) and the seed's (normal).

    python -m benchmarks.intervals
"""

from collections.abc import Callable

import numpy as np
from scipy.special import expit, gammaln, xlogy
from scipy.stats import binom

from benchmarks.hardware import write
from heads.metrics import calibration_error, fit_temperature, scores
from heads.statistics import accuracy_interval, paired, paired_rows, rows_interval

SIZES = (20, 50, 144, 360, 1_000, 10_000)
DIFFICULTIES = {"seeds agree": (9.0, 6.0), "seeds disagree": (3.2, 2.0)}  # mean and deviation of the images' logits
DEVIATIONS = (0.0, 0.25, 0.5, 1.0, 2.0)  # of accuracy over seeds, in points
PLACES, SHARES = np.polynomial.hermite_e.hermegauss(201)
SHARES = SHARES / SHARES.sum()


def main() -> None:
    """Measures everything and writes the result file."""
    parts: dict[str, Callable[[], object]] = {
        "accuracies": lambda: {rows: accuracies(rows) for rows in SIZES},
        "pairs": lambda: {rows: pairs(rows) for rows in (50, 144, 360, 10_000)},
        "rows": lambda: [rows_of(3, size, name) for size in (360, 10_000) for name in DIFFICULTIES],
        "rows_of_two_seeds": lambda: [rows_of(2, 10_000, name) for name in DIFFICULTIES],
        "rows_of_five_seeds": lambda: [rows_of(5, 10_000, name) for name in DIFFICULTIES],
        "equal_rows": equal_rows,
        "calibration": lambda: {rows: called_calibrated(rows) for rows in (144, 360, 2_000, 10_000)},
        "temperature": temperature,
    }
    results = {}
    for name, part in parts.items():
        results[name] = part()
        print(name, results[name], flush=True)
    print(write("intervals", results, libraries=("numpy", "scipy")))


def accuracies(rows: int) -> dict[str, float]:
    """Least and mean coverage at nominal 95 %, and the accuracy of the least."""
    low, high = np.array([accuracy_interval(count, rows) for count in range(rows + 1)]).T
    true = np.append(np.linspace(0.5, 1 - 2 / rows, 4_000), 1 - np.geomspace(2 / rows, 0.5, 4_000))
    first, last = np.searchsorted(high, true), np.searchsorted(low, true, side="right") - 1
    covered = binom.cdf(last, rows, true) - binom.cdf(first - 1, rows, true)
    return {"least": covered.min(), "at": true[covered.argmin()], "mean": covered.mean()}


def pairs(rows: int) -> dict[str, object]:
    """Least and mean coverage, and the shares of images that only A and only B got in the least."""
    most = min(rows, 120 if rows < 1_000 else 400)
    sides = [0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1] if rows < 1_000 else [0, 1e-4, 3e-4, 0.001, 0.003, 0.01]
    counts = np.array([(a, b) for a in range(most) for b in range(most) if a + b <= rows])
    low, high = np.array([paired(a, b, rows).interval for a, b in counts]).T
    a, b = counts.T
    ways = gammaln(rows + 1) - gammaln(a + 1) - gammaln(b + 1) - gammaln(rows - a - b + 1)
    found = []
    for one in sides:  # of the images: only A is correct, only B is
        for other in [side for side in sides if side >= one and side > 0]:
            chances = np.exp(ways + xlogy(a, one) + xlogy(b, other) + (rows - a - b) * np.log1p(-one - other))
            inside = (low <= other - one) & (other - one <= high)
            found.append((float(chances[inside].sum() / chances.sum()), one, other))
    return {"least": min(found)[0], "at": min(found)[1:], "mean": float(np.mean([one[0] for one in found]))}


def answers(rng: np.random.Generator, images: np.ndarray, *, seeds: int, deviation: float) -> np.ndarray:
    """bool [seeds, N]: which of the images, of these logits [N], each seed gets."""
    return rng.random((seeds, len(images))) < expit(images + deviation * rng.normal(size=(seeds, 1)))


def seed_deviation(difficulty: str, points: float) -> float:
    """The deviation of the seeds' logits at which accuracy deviates by so many points."""
    middle, spread = DIFFICULTIES[difficulty]
    chances = expit(middle + spread * PLACES)
    return points / 100 / float(chances * (1 - chances) @ SHARES)


def rows_of(seeds: int, size: int, difficulty: str, *, repetitions: int = 1_500) -> dict[str, object]:
    """Coverage and mean width of the interval by the deviation over seeds, in points."""
    middle, spread = DIFFICULTIES[difficulty]
    rng, found = np.random.default_rng(0), {}
    for points in DEVIATIONS:
        deviation = seed_deviation(difficulty, points)
        true = SHARES @ expit(middle + spread * PLACES[:, None] + deviation * PLACES) @ SHARES
        ends = []
        for _ in range(repetitions):
            images = middle + spread * rng.normal(size=size)
            ends.append(rows_interval(answers(rng, images, seeds=seeds, deviation=deviation)))
        low, high = np.array(ends).T
        covered = float(((low <= true) & (true <= high)).mean())
        found[points] = {"covered": covered, "width_points": float(100 * (high - low).mean())}
    return {"seeds": seeds, "images": size, "answers": difficulty, "by_deviation": found}


def equal_rows(*, repetitions: int = 1_500) -> list[dict[str, object]]:
    """Rejections at 5 %, by (seeds of A, seeds of B), images, answers and deviation over seeds."""
    found = []
    for size, difficulty in ((360, "seeds agree"), (10_000, "seeds agree"), (10_000, "seeds disagree")):
        middle, spread = DIFFICULTIES[difficulty]
        for seeds in ((1, 1), (5, 1), (3, 1), (3, 3), (5, 5), (2, 2), (10, 1)):
            for points in (0.0, 0.25, 1.0) if max(seeds) > 1 else (0.0,):
                deviation, rng, shown = seed_deviation(difficulty, points), np.random.default_rng(1), 0
                for _ in range(repetitions):
                    images = middle + spread * rng.normal(size=size)
                    sides = [answers(rng, images, seeds=count, deviation=deviation) for count in seeds]
                    low, high = paired_rows(*sides).interval
                    shown += low > 0 or high < 0
                found.append(
                    {"images": size, "answers": difficulty, "seeds": seeds, "deviation": points}
                    | {"shown": shown / repetitions}
                )
    return found


def called_calibrated(rows: int, *, repetitions: int = 1_000) -> float:
    """The share of draws whose error is at most its limit."""
    rng = np.random.default_rng(2)
    confidences = rng.beta(4, 0.5, rows)
    _, limit = calibration_error(confidences, np.ones(rows, dtype=bool))
    scored = [calibration_error(confidences, rng.random(rows) < confidences)[0] for _ in range(repetitions)]
    return float((np.array(scored) <= limit).mean())


def temperature(*, problems: int = 200) -> dict[str, float]:
    """Of test log loss with the fitted temperature over that without: greatest, 95 % quantile and median."""
    rng, ratios = np.random.default_rng(3), []
    for rows in np.geomspace(20, 600, problems).astype(int):
        classes, scale = int(rng.integers(2, 11)), float(np.exp(rng.uniform(-1.2, 1.2)))
        centers = rng.normal(size=(classes, 10)) * rng.uniform(0.3, 2.5)  # from overlapping to separate
        logits, labels = _problem(rng, centers, rows=rows + 5_000)
        fitted = fit_temperature(scale * logits[:rows], labels[:rows])
        before, after = (scores(scale * logits[rows:], labels[rows:], temperature=one).log_loss for one in (1, fitted))
        ratios.append((after + 1e-6) / (before + 1e-6))
    greatest, high, middle = np.quantile(ratios, [1, 0.95, 0.5])
    return {"problems": problems, "greatest": greatest, "quantile_95": high, "median": middle}


def _problem(rng: np.random.Generator, centers: np.ndarray, *, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits [rows, K] of the true classifier of normal clouds about `centers` [K, D], and labels [rows]."""
    labels = rng.integers(0, len(centers), rows)
    points = centers[labels] + rng.normal(size=(rows, centers.shape[1]))
    return -0.5 * ((points[:, None] - centers) ** 2).sum(-1), labels


if __name__ == "__main__":
    main()
