"""Heads by name."""

import pytest

from extract.errors import InvalidInputError
from heads.registry import kinds, space

ONE = {
    "logistic": {"C": 0.01},
    "linear": {"learning_rates": [3e-2], "weight_decays": [0.01], "epochs": 4, "batch_size": 64},
    "mlp": {"learning_rates": [3e-2], "sizes": [32], "epochs": 4, "input_dropout": 0.0, "copies": 1, "batch_size": 64},
    "knn": {"neighbors": [5], "temperatures": [0.1]},
    "ridge": {"alpha": 100.0},
    "kernel": {"bandwidths": [1.0], "alpha_grid": [0.1]},
    "centroid": {"metrics": ["cosine"], "shrinkages": [0.0]},
}


every_head = pytest.mark.parametrize("kind", kinds())


@every_head
def test_an_unknown_option_is_refused_with_the_nearest(kind):
    known = next(iter(ONE[kind]))
    with pytest.raises(InvalidInputError, match=known):
        space(kind, {known + "x": 1})
