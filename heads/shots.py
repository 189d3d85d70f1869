"""Few labels: heads chosen and fitted on a handful of labeled rows a class, over several draws of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError
from extract.runtime.groups import one_of_each
from heads import checks
from heads.base import Head
from heads.checks import Features
from heads.protocol import Choice, as_views, choose, refit
from heads.rows import drawn
from heads.space import Space
from heads.trials import Progress

# Of the drawn rows of a class, this share (at least one) is for validation.
VALIDATION_SHARE = 0.2


@dataclass(frozen=True)
class Draw:
    """One head learned from `shots` rows of every class: draw number `draw`, its `rows`, and how it was chosen."""

    shots: int
    draw: int
    rows: np.ndarray
    head: Head
    choice: Choice


def few_labels(
    space: Space,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    *,
    groups: np.ndarray | None = None,
    shots: Sequence[int],
    draws: int = 5,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Iterator[Draw]:
    """Yields a `Draw` for every number of `shots` and every draw, few shots first.

    features [N, D] or [V, N, D] and labels [N] are the training split, of which a head sees its drawn rows
    only, for choosing as for fitting. With two rows a class or more, a fifth of them (at least one a class) is
    for validation where there is a choice, which is refitted on all drawn rows. With one there is nothing to choose by:
    the head takes `space.defaults()`. The drawn rows of a class are each of another of the `groups` [N].
    The rows of a draw with fewer shots are among those with more. The same
    seed gives the same draws. Raises InvalidInputError for shots that a class has not got.
    """
    views = as_views(features)
    _, targets = checks.encode(labels, rows=views.shape[1])
    array = checks.label_array(labels, rows=views.shape[1])
    groups = None if groups is None else checks.group_array(groups, rows=len(array))
    wanted = _checked(shots, draws, most_shots(array, groups))
    for done, (count, draw) in enumerate((count, draw) for count in wanted for draw in range(draws)):
        rows = drawn(targets, count, draw=draw, seed=seed, groups=groups)
        part, own = views[:, torch.from_numpy(rows).to(views.device)], array[rows]
        whole = None if groups is None else groups[rows]
        chosen = _chosen(
            space, part, own, groups=whole, shots=count, criterion=criterion, seed=seed + draw, device=device
        )
        head, choice = refit(space, chosen, part, own, groups=whole, device=device)
        if progress is not None:
            progress(done + 1, len(wanted) * draws, "draws")
        yield Draw(shots=count, draw=draw, rows=rows, head=head, choice=choice)


def _chosen(
    space: Space,
    part: torch.Tensor,
    own: np.ndarray,
    *,
    shots: int,
    criterion: str,
    seed: int,
    groups: np.ndarray | None,
    device: str,
) -> Choice:
    is_alone = space.count() == 1
    if shots == 1 or (is_alone and not space.stops_early):
        options = space.single() if is_alone else space.defaults()
        return Choice(space.kind, options, seed, training_rows=len(own))
    held = max(1, round(VALIDATION_SHARE * shots)) * (len(own) // shots)
    return choose(space, part, own, groups=groups, validation=held, criterion=criterion, seed=seed, device=device)


def most_shots(labels: np.ndarray, groups: np.ndarray | None = None) -> int:
    """The most labels a class that can be drawn: the rows of the smallest class, or its `groups`, by labels [N]."""
    rows = np.arange(len(labels)) if groups is None else one_of_each(labels, groups)
    return int(np.unique(labels[rows], return_counts=True)[1].min())


def _checked(shots: Sequence[int], draws: int, most: int) -> list[int]:
    if draws < 1:
        raise InvalidInputError(f"draws must be at least 1; got {draws}. Use 5.")
    if not shots or min(shots) < 1 or max(shots) > most:
        raise InvalidInputError(
            f"shots must be numbers from 1 to {most}, the rows, or groups, of the smallest class; got "
            f"{','.join(map(str, shots)) or 'none'}. Use 1,2,5,10, or fewer."
        )
    return sorted(set(shots))
