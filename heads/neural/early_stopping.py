"""Early stopping for every member of a grid on its own: the best epoch's weights, logits and when to finish."""

from dataclasses import dataclass

import torch

from heads.imbalance.class_weights import RowWeights
from heads.metrics import ROW_LOSS_LIMIT, ValidationScore
from heads.neural.stack import BatchedMLP


@dataclass(frozen=True)
class Rows:
    """features [N, D] and class indices int64 [N]; `weights` float32 [N] of rows in the loss (None: all the same)."""

    features: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None = None

    @classmethod
    def of(cls, features: torch.Tensor, targets: torch.Tensor, class_weights: torch.Tensor | None) -> "Rows":
        """Rows weighted by their classes' weights [K]; the mean weight is 1."""
        weights = RowWeights.of(class_weights, targets)
        return cls(features, targets, None if weights is None else weights.relative.float())

    def take(self, numbers: torch.Tensor) -> "Rows":
        """The rows `numbers` int64."""
        weights = None if self.weights is None else self.weights[numbers]
        return Rows(self.features[numbers], self.targets[numbers], weights)

    def mean(self, losses: torch.Tensor) -> torch.Tensor:
        """The weighted means [G] of losses [G, N]."""
        return losses.mean(1) if self.weights is None else (losses * self.weights).mean(1)


# Validation rows a forward pass takes at a time: bounds the memory of the widest stack's hidden values.
BLOCK_ROWS = 2048
TIE = 1e6  # scores that differ by less than one part of this are equal


@dataclass(frozen=True)
class BestEpoch:
    """The best epoch of one network (from 1), and its validation logits [M, K]."""

    epoch: int
    logits: torch.Tensor


class EarlyStopping:
    """Watches one stack on validation rows: keeps each member's best weights, and counts its patience.

    Those of its training rows that are `watched` are scored beside them, in the same way.

    The best epoch has the least validation log loss, or the highest score by another `criterion`, of equal ones the
    least loss (few validation rows give many, and the first is the least trained); then the earliest. A
    member that has been without a better epoch for `patience` epochs is finished: later ones no longer count, so
    that it ends as it would have ended alone.
    """

    def __init__(
        self, stack: BatchedMLP, held: Rows, *, watched: Rows | None, criterion: str, patience: int | None
    ) -> None:
        self._stack, self._held, self._watched = stack, held, watched
        self._criterion, self._patience = criterion, patience
        count, device = stack.member_count, held.features.device
        self._cost = torch.full((count,), float("inf"), dtype=torch.float64, device=device)
        self._epoch = torch.zeros(count, dtype=torch.int64, device=device)
        self._finished = torch.zeros(count, dtype=torch.bool, device=device)
        self._logits: torch.Tensor | None = None
        self.kept = stack.snapshot()

    def score(self, epoch: int) -> dict[str, list[float]]:
        """Loss and accuracy of every member on both kinds of rows after epoch `epoch` (from 1); keeps what is better.

        Nothing is dropped or blended: they are those of the head that would be kept now.
        """
        curves: dict[str, list[float]] = {}
        with torch.no_grad():
            for name, rows in (("training", self._watched), ("validation", self._held)):
                if rows is None:
                    continue
                logits, losses, errors = self._scored(rows)
                curves[f"{name}_loss"] = losses.tolist()
                curves[f"{name}_accuracy"] = (1 - errors.double() / len(rows.targets)).tolist()
            self._keep_better(epoch, self._costs(errors, losses.double(), logits), logits)
        return curves

    def _scored(self, rows: Rows) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(logits [G, M, K], mean losses [G], numbers of errors [G]) of the members on `rows`, each loss limited."""
        logits = torch.cat([self._stack.logits(block) for block in rows.features.split(BLOCK_ROWS)], dim=1)
        own = logits.gather(2, rows.targets.expand(len(logits), -1)[:, :, None])[:, :, 0]
        losses = rows.mean((logits.logsumexp(2) - own).clamp(max=ROW_LOSS_LIMIT))
        return logits, losses, (logits.argmax(2) != rows.targets).sum(1)

    def _costs(self, errors: torch.Tensor, losses: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        if self._criterion == "log_loss":
            return losses
        ties = losses / (1 + losses)
        if self._criterion == "accuracy":
            return errors + ties
        targets, table = self._held.targets.cpu().numpy(), logits.cpu().numpy()
        scored = [getattr(ValidationScore.of(one, targets), self._criterion) for one in table]
        return (1 - torch.tensor(scored, dtype=torch.float64, device=losses.device)) * TIE + ties

    def _keep_better(self, epoch: int, costs: torch.Tensor, logits: torch.Tensor) -> None:
        better = (costs < self._cost) & ~self._finished  # False for NaN: a member that diverged keeps what it had
        self._cost = torch.where(better, costs, self._cost)
        self._epoch = torch.where(better, epoch, self._epoch)
        self._logits = logits if self._logits is None else torch.where(better[:, None, None], logits, self._logits)
        self._stack.keep(self.kept, better)
        if self._patience is not None:
            self._finished |= epoch - self._epoch >= self._patience

    @property
    def all_finished(self) -> bool:
        """Whether no member can get better any more."""
        return bool(self._finished.all())

    def best(self, member: int) -> BestEpoch:
        """The best of member number `member`; where no epoch had a finite cost, its first epoch."""
        assert self._logits is not None, "score at least one epoch first"
        return BestEpoch(epoch=max(int(self._epoch[member]), 1), logits=self._logits[member])
