"""Splits that keep groups whole: all images of one patient, object or day stand on the same side."""

import numpy as np

from extract.errors import InvalidInputError

Members = list[tuple[int, int]]  # (class, rows of it) of one group


def split_off(labels: np.ndarray, groups: np.ndarray, quotas: np.ndarray, *, seed: int, what: str) -> np.ndarray:
    """Sorted rows int64 of whole groups: about `quotas` [K] rows of each class, the same for a seed.

    `labels` int64 [N] are class indices below K, `groups` [N] name each row's group. Groups come in random order, and
    one is taken where that brings the rows of its classes nearer to their quotas; then where it brings those of all
    classes nearer to all quotas; then, for a class of which none was taken, the group that harms least. Every class
    keeps a row of another group, so a class of one group is never taken. Raises InvalidInputError, for the split that
    `what` names, where no group can be taken.
    """
    _, encoded = np.unique(groups, return_inverse=True)
    members = _members(labels, encoded, n_classes=len(quotas))
    taking = _Taking(np.bincount(labels, minlength=len(quotas)).tolist(), quotas.tolist())
    order = np.random.default_rng(seed).permutation(len(members)).tolist()
    left = {group for group in order if taking.takes(members[group])}
    for group in (one for one in order if one not in left):
        if taking.lack <= 0:
            break
        if taking.takes(members[group], of_all=1.0):
            left.add(group)
    for k in np.flatnonzero(quotas).tolist():
        having = [] if taking.taken[k] else [one for one in order if any(label == k for label, _ in members[one])]
        allowed = [one for one in having if one not in left and taking.allows(members[one])]
        if allowed:
            best = min(allowed, key=lambda one: taking.harm(members[one], of_all=1.0))
            taking.take(members[best])
            left.add(best)
    if not left:
        raise InvalidInputError(
            f"{what} must leave every class images of another group; got {len(members)} groups of {len(quotas)} "
            "classes, of which none can be split off. Add images of other groups."
        )
    return np.flatnonzero(np.isin(encoded, list(left))).astype(np.int64)


def one_of_each(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sorted rows int64: the first row of every group of each class, by `labels` [N] and `groups` [N]."""
    pairs = np.stack([np.unique(part, return_inverse=True)[1] for part in (labels, groups)])
    return np.sort(np.unique(pairs, axis=1, return_index=True)[1])


def together(*partitions: np.ndarray) -> np.ndarray:
    """Numbers int64 [N] of groups of rows that any of the `partitions` [N] puts together, directly or by others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows, firsts = np.arange(len(partitions[0])), []
    for one in partitions:
        _, first, inverse = np.unique(one, return_index=True, return_inverse=True)
        firsts.append(first[inverse])
    edges = (np.tile(rows, len(firsts)), np.concatenate(firsts))
    graph = coo_array((np.ones(len(edges[0]), bool), edges), shape=(len(rows), len(rows)))
    return connected_components(graph, directed=False)[1].astype(np.int64)


class _Taking:
    """Rows `taken` so far of each class, out of `counts` of which one must stay, against their quotas."""

    def __init__(self, counts: list[int], quotas: list[int]) -> None:
        self._counts, self._quotas, self.taken = counts, quotas, [0] * len(counts)
        self._rows, self.lack = sum(counts), sum(quotas)

    def allows(self, group: Members) -> bool:
        """Whether every class keeps a row without this group."""
        return all(self.taken[k] + rows < self._counts[k] for k, rows in group)

    def harm(self, group: Members, *, of_all: float) -> float:
        """The growth of the squared distances to the quotas over the rows of each class; and `of_all` times of all."""
        own, total = 0.0, 0
        for k, rows in group:
            own += rows * (rows + 2 * (self.taken[k] - self._quotas[k])) / self._counts[k]
            total += rows
        return own + of_all * total * (total - 2 * self.lack) / self._rows

    def takes(self, group: Members, *, of_all: float = 0.0) -> bool:
        """Takes a group where that brings the quotas nearer and is allowed; whether it did."""
        wanted = self.harm(group, of_all=of_all) < 0 and self.allows(group)
        if wanted:
            self.take(group)
        return wanted

    def take(self, group: Members) -> None:
        """Takes a group."""
        for k, rows in group:
            self.taken[k] += rows
            self.lack -= rows


def _members(labels: np.ndarray, groups: np.ndarray, *, n_classes: int) -> list[Members]:
    """The classes of each group with their rows."""
    pairs, rows = np.unique(groups.astype(np.int64) * n_classes + labels, return_counts=True)
    found: list[Members] = [[] for _ in range(int(groups.max(initial=-1)) + 1)]
    for pair, count in zip(pairs.tolist(), rows.tolist(), strict=True):
        found[pair // n_classes].append((pair % n_classes, count))
    return found
