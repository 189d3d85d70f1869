"""Every kind of head, with options that fit fast."""

import pytest

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


def unfitted(kind):
    """A head of `kind` that fits fast."""
    tried = space(kind, ONE[kind])
    return tried.head(tried.single(), seed=0, device="cpu")
