"""How well features suit a task before any head is fitted to them: LogME and H-score. Greater is better."""

import numpy as np
from sklearn.covariance import ledoit_wolf

STEPS, TOLERANCE, EPSILON = 11, 1e-3, 1e-5  # of the authors' code
LEAST = 1e-100  # precision of the weights of features that are all zero


def logme(features: np.ndarray, targets: np.ndarray) -> float:
    """Mean over classes of the log evidence, per row, of a Bayesian linear regression onto the class.

    features [N, D], targets int64 [N]. You et al., "Ranking and tuning pre-trained models: a new paradigm for
    exploiting model hubs", JMLR 2022: alternating updates of the precisions alpha of the weights and beta of the noise.
    With more columns than rows this is the evidence of the first paper (ICML 2021), which counts every column.
    """
    left, singular, _ = np.linalg.svd(features.astype(np.float64), full_matrices=False)
    values = singular**2
    labels = np.unique(targets)
    return float(np.mean([_evidence(left, values, targets == label, width=features.shape[1]) for label in labels]))


def _evidence(left: np.ndarray, values: np.ndarray, members: np.ndarray, *, width: int) -> float:
    """The log evidence per row for `members` bool [N], at the best precisions; `values` are squared singular values."""
    count, own = len(members), members.astype(np.float64)
    squares = (left.T @ own) ** 2
    rest, alpha, beta, weights, residual = max((own**2).sum() - squares.sum(), 0.0), 1.0, 1.0, 0.0, 0.0
    for _ in range(STEPS):
        ratio = alpha / beta
        effective = (values / (values + ratio)).sum()
        weights = (values * squares / (ratio + values) ** 2).sum()
        residual = (squares / (1 + values / ratio) ** 2).sum() + rest
        alpha, beta = max(effective / (weights + EPSILON), LEAST), (count - effective) / (residual + EPSILON)
        if abs(alpha / beta - ratio) / ratio <= TOLERANCE:
            break
    determinant = np.log(alpha + beta * values).sum() + (width - len(values)) * np.log(alpha)
    likelihood = width * np.log(alpha) + count * np.log(beta / (2 * np.pi)) - determinant
    return (likelihood - beta * residual - alpha * weights) / (2 * count)


def h_score(features: np.ndarray, targets: np.ndarray, *, shrunk: bool = True) -> float:
    """Variance of the class means in units of the features' covariance: trace(cov(f)^-1 cov(E[f | y])).

    features [N, D], targets int64 [N]. Bao et al., "An information-theoretic approach to transferability in task
    transfer learning", ICIP 2019. `shrunk` takes the covariance of Ledoit and Wolf instead, as Ibrahim et al., "Newer
    is not always better", ECML PKDD 2022: with few rows for a column the plain score says little but their number.
    """
    centered = features.astype(np.float64) - features.astype(np.float64).mean(0)
    count = len(centered)
    covariance, shrinkage = ledoit_wolf(centered) if shrunk else (centered.T @ centered / (count - 1), 0.0)
    labels, sizes = np.unique(targets, return_counts=True)
    means = np.stack([centered[targets == label].mean(0) for label in labels])  # [K, D]
    inverse = np.linalg.pinv(covariance, rcond=1e-15, hermitian=True)
    between = np.einsum("kd,de,ke->k", means, inverse, means) @ sizes / (count - 1)
    return float((1 - shrinkage) * between)
