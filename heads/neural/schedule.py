"""Learning-rate schedules: optimization step -> factor on the base learning rate."""

import math
from collections.abc import Callable

from extract.errors import InvalidInputError, unknown

Schedule = Callable[[int], float]


def schedule(name: str, *, total_steps: int, warmup: float = 0.0) -> Schedule:
    """The schedule `name` over `total_steps`: a function of the step (from 0) whose values lie in (0, 1].

    * constant: 1.
    * step: 1, then 0.1 from half of the way, then 0.01 from three quarters.
    * cosine: half a cosine from 1 to 0 (Loshchilov and Hutter, "SGDR", ICLR 2017).
    * one-cycle: a line up to 1, then half a cosine to 0 (Smith and Topin, "Super-convergence", 2018).
    * triangular: a line up to 1, then a line down to 0 (Smith, "Cyclical learning rates", 2017).

    `warmup` is the share of the steps on which the factor first rises linearly to 1 (Goyal et al., 2017);
    the shape then takes the steps that are left. one-cycle and triangular need one, and take 0.3 where it is 0.
    """
    if name not in SHAPES:
        raise unknown("schedule", name=name, known=tuple(SHAPES))
    if total_steps < 1 or not 0 <= warmup < 1:
        raise InvalidInputError(
            f"total_steps and warmup must be at least 1 and in [0, 1); got {total_steps} and {warmup}. "
            "Train for longer, or warm up for less."
        )
    if name in ("one-cycle", "triangular") and warmup == 0:
        warmup = 0.3
    rising = round(warmup * total_steps)
    shape = SHAPES[name]

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return shape((step - rising) / (total_steps - rising))

    return factor


def _constant(share: float) -> float:
    return 1.0


def _stairs(share: float) -> float:
    return 1.0 if share < 0.5 else 0.1 if share < 0.75 else 0.01


def _line(share: float) -> float:
    return max(1 - share, 0.0)


def _half_cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))


SHAPES: dict[str, Callable[[float], float]] = {
    "constant": _constant,
    "step": _stairs,
    "cosine": _half_cosine,
    "one-cycle": _half_cosine,
    "triangular": _line,
}
