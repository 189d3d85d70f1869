"""Doubtful labels: probabilities by heads that never learned from the row (out of fold), and what follows from them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import log_softmax, softmax

from heads.design import RowBlocks
from heads.logistic.path import Path, PathPoint
from heads.metrics import ROW_LOSS_LIMIT, row_losses

FOLDS = 5
C_GRID = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class OutOfFold:
    """Log probabilities float64: `training` [N, K] of rows by the head of the other folds, `further` [M, K] by all.

    `judged` bool [N] is false where the class of a row is in no other fold, so that no head knows it.
    """

    training: np.ndarray
    further: np.ndarray
    judged: np.ndarray


def out_of_fold(
    features: torch.Tensor,
    targets: np.ndarray,
    *,
    further: torch.Tensor | None = None,
    n_classes: int,
    groups: np.ndarray,
    grid: Sequence[float] = C_GRID,
    class_weights: torch.Tensor | None = None,
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> OutOfFold:
    """Log probabilities of rows of class `targets` int64 [N] by logistic heads, each fitted to four fifths of them.

    Rows of one of the `groups` int64 [N] are in one fold: a near-duplicate would vouch for a wrong label. The inverse
    penalty is the best of `grid` on the first fold; `class_weights` float64 [K] weigh the losses. No head learns from
    the `further` rows [M, D].
    """
    further = features[:0] if further is None else further
    fold, chosen, path = folds(targets, groups=groups, seed=seed), grid, None
    unknown, sums = np.full((len(targets), n_classes), -ROW_LOSS_LIMIT), np.zeros((len(further), n_classes))
    found = OutOfFold(unknown, sums, np.zeros(len(targets), bool))
    for number in range(FOLDS):
        rows, held = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        classes = np.unique(targets[rows])
        if len(held) and len(classes) > 1:
            path = _path(features, targets, rows, class_weights=class_weights, like=path)
            known = held[np.isin(targets[held], classes)]
            labels = np.searchsorted(classes, targets[known])
            point, look = _best(path, chosen, features[torch.from_numpy(known).to(features.device)], labels)
            chosen = (point.C,)
            found.training[np.ix_(known, classes)] = look
            found.judged[known] = True
            found.further[:, classes] += softmax(point.logits(further).cpu().numpy(), axis=1)
        progress(number + 1, FOLDS)
    total = found.further.sum(1, keepdims=True)
    found.further[:] = np.log(np.maximum(found.further / np.maximum(total, 1e-300), np.exp(-ROW_LOSS_LIMIT)))
    return found


def _path(
    features: torch.Tensor,
    targets: np.ndarray,
    rows: np.ndarray,
    *,
    class_weights: torch.Tensor | None,
    like: Path | None,
) -> Path:
    """The path of the `rows` int64 of `features`, of the classes that occur in them."""
    classes, encoded = np.unique(targets[rows], return_inverse=True)
    weights = None if class_weights is None else class_weights[torch.from_numpy(classes)]
    learned, own = (torch.from_numpy(one).to(features.device) for one in (rows, encoded))
    blocks = RowBlocks(features, torch.float64, learned)
    return Path(blocks, own, n_classes=len(classes), class_weights=weights, like=like)


def folds(targets: np.ndarray, *, groups: np.ndarray, seed: int) -> np.ndarray:
    """The fold int64 [N], from 0 to `FOLDS`, of rows of class `targets` [N]: drawn, stratified, groups together."""
    order = np.random.default_rng(seed).permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    fold = np.empty(len(targets), np.int64)
    fold[order] = np.arange(len(targets)) % FOLDS
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return fold[first][inverse]


def confidence(log_probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """float64 [K]: the mean probability of class k on rows labeled so; 2, which no row reaches, where there are none.

    `log_probabilities` [N, K], `targets` int64 [N].
    """
    own = np.exp(log_probabilities[np.arange(len(targets)), targets])
    counts = np.bincount(targets, minlength=log_probabilities.shape[1])
    sums = np.bincount(targets, own, minlength=log_probabilities.shape[1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), 2.0)


@dataclass(frozen=True)
class Doubts:
    """Of N labels: `probability` float64 [N] of the label, the likeliest other class int64 [N], and whether to doubt.

    The least probable are the most doubtful: of changed labels this order has more among its first than one by the
    margin to the other class (`benchmarks/audit.py`).
    """

    probability: np.ndarray
    other: np.ndarray
    doubted: np.ndarray


def doubts(log_probabilities: np.ndarray, targets: np.ndarray, *, confidence: np.ndarray) -> Doubts:
    """Doubt the labels `targets` int64 [N] whose row is, confidently, of another class.

    That is confident learning (Northcutt, Jiang and Chuang, JAIR 2021): a row is counted for the likeliest class whose
    mean `confidence` [K] on its own rows it reaches; a label is doubted where that class is another.
    """
    rows = np.arange(len(targets))
    own, others = log_probabilities[rows, targets], log_probabilities.copy()
    others[rows, targets] = -np.inf
    reached = np.where(np.exp(log_probabilities) >= confidence, log_probabilities, -np.inf)
    counted = reached.argmax(1)
    doubted = np.isfinite(reached.max(1)) & (counted != targets)
    return Doubts(np.exp(own), others.argmax(1), doubted)


@dataclass(frozen=True)
class ClassPair:
    """Two classes: how often the one of them that is likelier is the label, averaged over both (chance is one half).

    `low` is the lower end of the one-sided 95 % interval; up to one half nothing shows that they can be told apart.
    """

    classes: tuple[int, int]
    accuracy: float
    low: float


def class_pairs(log_probabilities: np.ndarray, targets: np.ndarray) -> list[ClassPair]:
    """Every pair of classes that occur in `targets` int64 [N], the least distinct first."""
    count = log_probabilities.shape[1]
    sizes = np.bincount(targets, minlength=count)
    wins = np.zeros((count, count))  # [a, b]: rows of class a in which a is likelier than b
    for label in np.flatnonzero(sizes):
        rows = log_probabilities[targets == label]
        wins[label] = (rows[:, label, None] > rows).sum(0) + 0.5 * (rows[:, label, None] == rows).sum(0)
    shares = wins / np.maximum(sizes, 1)[:, None]
    smooth = (wins + 1) / (sizes + 2)[:, None]  # as Agresti and Caffo do
    variance = smooth * (1 - smooth) / (sizes + 2)[:, None]
    accuracy, center = (shares + shares.T) / 2, (smooth + smooth.T) / 2
    low = center - 1.645 * np.sqrt(variance + variance.T) / 2
    first, second = np.nonzero(np.triu(np.outer(sizes, sizes), 1))
    order = np.argsort(accuracy[first, second], kind="stable")
    return [
        ClassPair((int(a), int(b)), float(accuracy[a, b]), float(low[a, b]))
        for a, b in zip(first[order], second[order], strict=True)
    ]


def _best(path: Path, grid: Sequence[float], held: torch.Tensor, labels: np.ndarray) -> tuple[PathPoint, np.ndarray]:
    """The point of the path with the least loss on `held` rows of class `labels`, and their log probabilities.

    Weaker penalties than the first that is worse are not tried; they cost most.
    """
    best, least = None, np.inf
    for C in grid:
        point = path.fit(C)
        look = log_softmax(point.logits(held).cpu().numpy(), axis=1)
        loss = row_losses(look, labels, 0.0).mean() if len(labels) else 0.0
        if best is not None and loss > least:
            break
        best, least = (point, look), loss
    assert best is not None
    return best
