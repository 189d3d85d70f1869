"""What training rows say of new ones: the probability of its class by a head that did not learn from the row."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import softmax

from extract.runtime.devices import resolve_device, torch_device
from heads.analysis import labels as doubts
from heads.checks import Features, as_tensor, encode
from heads.imbalance.class_weights import class_weights
from heads.space import ENOUGH_VALIDATION_ROWS, Space


class Chosen(Protocol):
    """What is read of a `heads.protocol.Choice`."""

    @property
    def options(self) -> dict[str, Any]: ...
    @property
    def seed(self) -> int: ...
    @property
    def validation_rows(self) -> int: ...
    @property
    def temperature(self) -> float | None: ...


def own_probabilities(
    space: Space,
    choice: Chosen,
    features: Features,
    labels: ArrayLike,
    *,
    groups: np.ndarray | None = None,
    device: str = "cpu",
) -> dict[str, np.ndarray] | None:
    """{"plain", "calibrated"}: float64 [N], the softmax of the logits, and of the logits over the choice's temperature.

    Each of the N rows of `features` [N, D] or [1, N, D] is judged by the chosen regression of four fifths of the
    others; rows of one of the `groups` [N] are in one fold, and a row whose class is in no other fold is left out. None
    where it is not worth it: for other heads, for several views, and where the validation rows are
    `ENOUGH_VALIDATION_ROWS` or none.
    """
    views = as_tensor(features)
    views = views if views.ndim == 3 else views[None]
    if not space.is_regression or len(views) > 1 or not 0 < choice.validation_rows < ENOUGH_VALIDATION_ROWS:
        return None
    classes, targets = encode(labels, rows=views.shape[1])
    found = doubts.out_of_fold(
        views[0].to(torch_device(resolve_device(device))),
        targets,
        n_classes=len(classes),
        groups=np.arange(len(targets)) if groups is None else groups,
        grid=(choice.options["C"],),
        class_weights=class_weights(getattr(space, "class_weights", "none"), classes, targets),
        seed=choice.seed,
    )
    logits, own = found.training[found.judged], targets[found.judged]
    divisors = {"plain": 1.0, "calibrated": choice.temperature}
    return {name: softmax(logits / by, axis=1)[np.arange(len(own)), own] for name, by in divisors.items()}
