"""A grid of networks on cached features, trained in one pass over them, each stopped at its own best epoch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from extract.runtime.devices import limited_threads, threads_for
from heads.design import Standardization, cheap_dtype, signed_power, standardization
from heads.modules import Layers, in_blocks
from heads.neural.early_stopping import EarlyStopping, Rows
from heads.neural.optimize import Step, train
from heads.neural.optimizers import optimizer
from heads.neural.schedule import Schedule, schedule
from heads.neural.space import HeadRecipe, Member
from heads.neural.stack import BatchedMLP, dropout_mask
from heads.trials import Progress


@dataclass(frozen=True)
class Trained:
    """A member after training: [W1, b1, W2, b2, ...] float32 of its best epoch, and the standardization of the features
    raised to the power that they are for.

    `epochs` counts the passes up to that epoch. `validation_logits` float32 [M, K] are its logits on the validation
    rows then, and `curves` its values per epoch: running_training_loss and running_training_accuracy (of the batches,
    with dropout and mixup, while the weights move), and those of the weights after it without either: training_loss and
    training_accuracy of the watched rows, validation_loss and validation_accuracy. Without validation rows there are
    only the running ones, and the last epoch is the best.
    """

    layers: list[torch.Tensor]
    standard: Standardization
    power: float
    epochs: int
    validation_logits: torch.Tensor | None
    curves: dict[str, list[float]]

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """float32 [N, K] of `features` [N, D], on the device of the layers."""
        module = Layers(self.layers, power=self.power, standard=self.standard)
        return in_blocks(module, features.to(self.layers[0].device))


@dataclass(frozen=True)
class Validation:
    """Rows that score each epoch by `criterion` (log_loss or accuracy); `watched` training rows are scored beside them.

    A member without a better epoch for `patience` epochs is finished (None: never).
    """

    rows: Rows
    watched: torch.Tensor | None = None
    criterion: str = "log_loss"
    patience: int | None = None


def train_grid(
    rows: Rows,
    *,
    members: Sequence[Member],
    recipe: HeadRecipe,
    n_classes: int,
    stop_epoch: int,
    seed: int,
    validation: Validation | None = None,
    progress: Progress | None = None,
) -> list[Trained]:
    """Trains `members` together for at most `stop_epoch` of the recipe's epochs; the results in their order.

    Members of the same hidden widths and copy are stacked; all stacks meet every batch. Initial weights,
    batches and dropout masks depend on `seed`, the widths and the copy alone, so a member learns the same in any
    company, up to rounding. With `validation` each keeps its best epoch and stops early. `progress` counts the epochs.
    """
    raised = signed_power(rows.features, recipe.power)
    standard = standardization(raised)
    dtype = cheap_dtype(raised.numel(), raised.device)
    features = standard.apply(raised, dtype)
    del raised
    prepared = replace(rows, features=features)
    grid = Grid(prepared, members=members, recipe=recipe, n_classes=n_classes, seed=seed)
    stops: list[EarlyStopping] = []
    if validation is not None:
        raised = signed_power(validation.rows.features, recipe.power)
        scored = replace(validation.rows, features=standard.apply(raised, dtype))
        numbers, criterion, patience = validation.watched, validation.criterion, validation.patience
        watched = None if numbers is None else prepared.take(numbers)
        stops = [
            EarlyStopping(stack, scored, watched=watched, criterion=criterion, patience=patience)
            for stack in grid.stacks
        ]
    with limited_threads(grid.step_threads()):
        curves = _run(grid, stops, stop_epoch, progress=progress)
    return _results(grid, stops, curves, standard=standard, stop_epoch=stop_epoch)


def _run(
    grid: "Grid", stops: list[EarlyStopping], stop_epoch: int, *, progress: Progress | None
) -> list[dict[str, list[float]]]:
    """Trains until no member can get better, or `stop_epoch`; the curves of every member, in the given order."""
    order = [member for group in grid.groups for member in group]
    curves: list[dict[str, list[float]]] = [{} for _ in order]
    if progress is not None:
        progress(0, stop_epoch, "epochs")
    epochs = train(
        grid.loss,
        grid.batches,
        optimizer=grid.optimizer(),
        schedule=grid.schedule(),
        epochs=stop_epoch,
        steps_per_epoch=grid.steps_per_epoch,
    )
    for epoch in epochs:
        scored = [stop.score(epoch.index + 1) for stop in stops]
        facts: dict[str, Any] = dict(epoch.means)
        for name in scored[0] if scored else ():
            facts[name] = [value for stack in scored for value in stack[name]]
        for place, member in enumerate(order):
            for name, values in facts.items():
                curves[member].setdefault(name, []).append(values[place])
        are_finished = bool(stops) and all(stop.all_finished for stop in stops)
        if progress is not None:
            progress(stop_epoch if are_finished else epoch.index + 1, stop_epoch, "epochs")
        if are_finished:
            break
    return curves


def _results(
    grid: "Grid",
    stops: list[EarlyStopping],
    curves: list[dict[str, list[float]]],
    *,
    standard: Standardization,
    stop_epoch: int,
) -> list[Trained]:
    results: dict[int, Trained] = {}
    for place, (stack, group) in enumerate(zip(grid.stacks, grid.groups, strict=True)):
        for position, member in enumerate(group):
            best = stops[place].best(position) if stops else None
            results[member] = Trained(
                layers=stack.member(position, stops[place].kept if stops else stack.snapshot()),
                standard=standard,
                power=grid.power,
                epochs=best.epoch if best else stop_epoch,
                validation_logits=best.logits if best else None,
                curves=curves[member],
            )
    return [results[member] for member in range(len(curves))]


def _mixed(seed: int, number: int) -> int:
    return (int(seed) * 1_000_003 + number) % 2**63  # of numpy's numbers it would overflow


@dataclass(frozen=True)
class Batch:
    """features [B, D], targets [B], and a dropout mask for every hidden layer of every stack.

    With `partners` int64 [B] the features are blended already, and `share` of the loss is for `targets`, the
    rest for `partners`. `weights` [B] are those of the rows in the loss.
    """

    features: torch.Tensor
    targets: torch.Tensor
    masks: list[list[torch.Tensor]]
    partners: torch.Tensor | None = None
    share: float | torch.Tensor = 1.0
    weights: torch.Tensor | None = None


class Grid:
    """The stacks of a grid with their batches, loss and optimizer."""

    def __init__(self, rows: Rows, *, members: Sequence[Member], recipe: HeadRecipe, n_classes: int, seed: int) -> None:
        features = self._features = rows.features
        self._targets, self._weights = rows.targets, rows.weights
        self._members, self._recipe, self._seed = members, recipe, seed
        self._batch_size = recipe.rows_per_step(len(features))
        alike: dict[tuple[tuple[int, ...], int], list[int]] = {}
        for index, member in enumerate(members):
            alike.setdefault((member.hidden, member.copy), []).append(index)
        self.groups = list(alike.values())
        self._copies = [copy for _, copy in alike]
        self.stacks = [
            BatchedMLP(
                (features.shape[1], *hidden, n_classes),
                member_count=len(group),
                dropout=recipe.dropout,
                generator=torch.Generator().manual_seed(_mixed(seed, copy)),
                device=features.device,
            )
            for (hidden, copy), group in alike.items()
        ]

    @property
    def power(self) -> float:
        """The power that the features were raised to."""
        return self._recipe.power

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self._features) // self._batch_size)

    def schedule(self) -> Schedule:
        """The recipe's schedule over all its epochs."""
        total_steps = self._recipe.epochs * self.steps_per_epoch
        return schedule(self._recipe.schedule, total_steps=total_steps, warmup=self._recipe.warmup)

    def step_threads(self) -> int | None:
        """Threads for a step: 6 operations a weight and row, and some 10 a weight for its update, in 6 operators."""
        weights = [weight for stack in self.stacks for weight in stack.weights]
        flops = sum(weight.numel() for weight in weights) * (6 * self._batch_size + 10)
        return threads_for(flops, operators=6 * len(weights))

    def optimizer(self) -> torch.optim.Optimizer:
        """The recipe's optimizer with every member's own rates; biases do not decay."""
        triples = []
        for stack, group in zip(self.stacks, self.groups, strict=True):
            rates = [self._members[index].learning_rate for index in group]
            decays = [self._members[index].weight_decay for index in group]
            for weight in stack.weights:
                triples.append((weight, stack.per_member(rates, weight), stack.per_member(decays, weight)))
            triples += [(bias, stack.per_member(rates, bias), 0.0) for bias in stack.biases]
        return optimizer(self._recipe.optimizer, triples, momentum=self._recipe.momentum)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """The shuffled batches of an epoch with every stack's dropout masks; the same for the same number."""
        device = self._features.device
        mixed = _mixed(self._seed, epoch + 1)
        shuffler = torch.Generator(device).manual_seed(mixed)
        droppers = [torch.Generator(device).manual_seed(_mixed(mixed, copy)) for copy in self._copies]
        shares = np.random.default_rng(mixed)
        order = torch.randperm(len(self._features), generator=shuffler, device=device)
        for index in order.split(self._batch_size):
            masks = [stack.masks(len(index), own) for stack, own in zip(self.stacks, droppers, strict=True)]
            yield self._blended(index, masks, shares, shuffler)

    def _blended(
        self,
        index: torch.Tensor,
        masks: list[list[torch.Tensor]],
        shares: np.random.Generator,
        shuffler: torch.Generator,
    ) -> Batch:
        features, targets = self._features[index], self._targets[index]
        weights = None if self._weights is None else self._weights[index]
        if not self._recipe.mixup:
            return Batch(self._thinned(features, shuffler), targets, masks, weights=weights)
        share = float(shares.beta(self._recipe.mixup, self._recipe.mixup))
        share = max(share, 1 - share)  # a row and its partner are alike, so that `targets` may be the greater part
        partner = torch.randperm(len(index), generator=shuffler, device=index.device)
        blended = torch.lerp(features[partner], features, share)
        own: float | torch.Tensor = share
        if weights is not None:  # a row's part of the weight that both bring
            own, weights = share * weights, torch.lerp(weights[partner], weights, share)
            own = own / weights
        return Batch(self._thinned(blended, shuffler), targets, masks, targets[partner], own, weights)

    def _thinned(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        share = self._recipe.input_dropout
        if not share:
            return features
        return features.mul_(dropout_mask(*features.shape, share=share, generator=generator))

    def loss(self, batch: Batch) -> Step:
        """The sum of all members' mean smoothed cross-entropies; counts unsmoothed losses and hits by member."""
        total = batch.features.new_zeros((), dtype=torch.float32)
        losses, hits = [], []
        for stack, own_masks in zip(self.stacks, batch.masks, strict=True):
            logits = stack.logits(batch.features, own_masks)
            norm = logits.logsumexp(2)
            plain = norm - _true_logits(logits, batch)
            cost = self._recipe.smoothed(plain, norm, logits)
            total = total + (cost if batch.weights is None else cost * batch.weights).mean(1).sum()
            losses.append(plain.detach().sum(1))
            hits.append((logits.detach().argmax(2) == batch.targets).sum(1))
        sums = {"running_training_loss": torch.cat(losses), "running_training_accuracy": torch.cat(hits)}
        return Step(loss=total, sums=sums, row_count=len(batch.targets))


def _true_logits(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """[G, B] of `logits` [G, B, K]: that of a row's target, or the blend of its two targets'."""
    picked = [
        logits.gather(2, targets.expand(len(logits), -1)[:, :, None])[:, :, 0]
        for targets in (batch.targets, batch.partners)
        if targets is not None
    ]
    return picked[0] if len(picked) == 1 else torch.lerp(picked[1], picked[0], batch.share)
