"""Linear and multilayer heads in torch: one class, `hidden=()` is linear."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Self

import numpy as np
import torch

from extract.errors import InvalidInputError
from extract.runtime.devices import resolve_device, torch_device
from heads.base import Head, parameter
from heads.metrics import ValidationScore
from heads.modules import affine
from heads.neural.grid import Rows, Trained, Validation, train_grid
from heads.neural.space import NO_DROPOUT, HeadRecipe, Member, NeuralSpace
from heads.trials import Candidate, FeatureSplit, Progress


@dataclass(eq=False, repr=False)
class NeuralHead(HeadRecipe, Head):
    """A multilayer perceptron with ReLU on standardized features, trained by cross-entropy with softmax.

    `hidden` are the widths of its hidden layers; () is a linear head. `epochs` is the length of the schedule, and
    `stop_epoch` the number of epochs really trained (None: all). `warmup` is a share of all steps, `dropout` acts
    on hidden values, `input_dropout` on the standardized features, `momentum` is SGD's or Adam's beta1. `power`
    power transform the features before they are standardized (sign(x) |x|^power), and `mixup` blends batches with
    themselves (the alpha of its Beta distribution; 0 is without). `batch_size` None makes 32 to 64 steps. Weight
    decay spares biases. `copies` networks that start from other weights train beside each other, and the head is their
    mean logits (a deep ensemble: Lakshminarayanan et al., NeurIPS 2017), kept as one network. `class_weights` (none,
    balanced, or a mapping from label to weight) weigh the loss.

    Fitted: `layers_`, [W1, b1, W2, b2, ...] float32, for features raised to `power` and then standardized by `mean_`
    and `scale_`, float64 [D]; `curves_`, running_training_loss and running_training_accuracy per epoch, means over the
    copies; `n_iter_`, epochs. The same seed gives the same head on one machine.
    """

    hidden: tuple[int, ...] = parameter((), low=1)
    _: KW_ONLY
    learning_rate: float = parameter(1e-3, above=0)
    weight_decay: float = parameter(1e-2, low=0)
    stop_epoch: int | None = parameter(None, low=1)
    dropout: float = parameter(0.0, low=0, below=1)
    copies: int = parameter(1, low=1)
    seed: int = 0
    device: str = "cpu"

    @property
    def kind(self) -> str:  # type: ignore[override]
        """linear or mlp."""
        return "mlp" if self.hidden else "linear"

    def weights(self) -> dict[str, np.ndarray]:
        """The fitted layers, by number, and the standardization before the first."""
        self._require_fitted()
        layers = {f"layer{index:02d}": array for index, array in enumerate(self.layers_)}
        return {**layers, "mean_": self.mean_, "scale_": self.scale_}

    def with_weights(self, weights: dict[str, np.ndarray], classes: np.ndarray, *, width: int) -> Self:
        """The head itself with what `weights()` gave; no fitting."""
        self.layers_ = [weights[name] for name in sorted(weights) if name.startswith("layer")]
        self.mean_, self.scale_ = weights["mean_"], weights["scale_"]
        self.classes_ = classes
        self.n_features_in_ = width
        return self

    def _fit(
        self,
        features: torch.Tensor,
        targets: torch.Tensor,
        *,
        n_classes: int,
        class_weights: torch.Tensor | None = None,
    ) -> None:
        if self.dropout and not self.hidden:
            raise InvalidInputError(NO_DROPOUT.format(self.dropout))
        stop_epoch = self.epochs if self.stop_epoch is None else self.stop_epoch
        if stop_epoch > self.epochs:
            raise InvalidInputError(f"stop-epoch must be from 1 to {self.epochs}; got {stop_epoch!r}. Leave it out.")
        device = torch_device(resolve_device(self.device))
        trained = train_grid(
            Rows.of(features.to(device), targets.to(device), class_weights),
            members=[
                Member(tuple(self.hidden), self.learning_rate, self.weight_decay, copy) for copy in range(self.copies)
            ],
            recipe=self,
            n_classes=n_classes,
            stop_epoch=stop_epoch,
            seed=self.seed,
            progress=self._progress,
        )
        self.layers_ = [layer.cpu().numpy() for layer in merged([copy.layers for copy in trained])]
        self.mean_, self.scale_ = trained[0].standard.mean.cpu().numpy(), trained[0].standard.scale.cpu().numpy()
        curves = [copy.curves for copy in trained]
        self.curves_ = {name: np.mean([each[name] for each in curves], axis=0).tolist() for name in curves[0]}
        self.n_iter_ = trained[0].epochs

    def module(self) -> torch.nn.Module:
        return affine(self.weights(), power=self.power)  # type: ignore[return-value]

    @classmethod
    def candidates(
        cls, space: NeuralSpace, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        rows, members = Rows.of(split.features, split.targets, split.class_weights), space.members()
        validation = Validation(
            Rows.of(split.validation_features, split.validation_targets, split.class_weights),
            watched=split.sample,
            criterion=criterion,
            patience=space.patience,
        )
        trained = train_grid(
            rows,
            members=members,
            recipe=space,
            n_classes=split.n_classes,
            stop_epoch=space.epochs,
            seed=seed,
            validation=validation,
            progress=progress,
        )
        best, least = None, float("inf")
        for member, result in zip(members, trained, strict=True):
            trial = _trial(member, result, space, rows=len(split.features))
            yield trial
            weights = None if split.class_weights is None else split.class_weights.cpu().numpy()
            cost = ValidationScore.of(trial.logits, split.validation_targets.cpu().numpy(), weights).cost(criterion)
            if cost < least:
                best, least = (member, trial), cost
        if space.copies > 1 and best is not None:
            yield _ensemble(*best, space=space, split=split, seed=seed, progress=progress)


def _trial(member: Member, result: Trained, space: NeuralSpace, *, rows: int) -> Candidate:
    assert result.validation_logits is not None
    return Candidate(
        options=member.options(stop_epoch=result.epochs, batch_size=space.rows_per_step(rows)),
        logits=result.validation_logits.cpu().numpy(),
        facts={"epochs_run": len(result.curves["running_training_loss"])},
        apply=result.logits,
        curves=result.curves,
    )


def _ensemble(
    member: Member, best: Candidate, *, space: NeuralSpace, split: FeatureSplit, seed: int, progress: Progress | None
) -> Candidate:
    """`member`, whose trial was `best`, and further copies of it together."""
    trained = train_grid(
        Rows.of(split.features, split.targets, split.class_weights),
        members=[replace(member, copy=copy) for copy in range(1, space.copies)],
        recipe=space,
        n_classes=split.n_classes,
        stop_epoch=int(best.options["stop_epoch"]),  # type: ignore[arg-type]
        seed=seed,
        progress=progress,
    )
    held = [one.logits(split.validation_features).cpu() for one in trained]
    logits = torch.stack([torch.from_numpy(best.logits), *held]).mean(0)
    networks = [best.apply, *(one.logits for one in trained)]
    return replace(
        best,
        options={**best.options, "copies": space.copies},
        logits=logits.numpy(),
        apply=lambda features: torch.stack([network(features) for network in networks]).mean(0),
    )


def merged(networks: Sequence[list[torch.Tensor]]) -> list[torch.Tensor]:
    """[W1, b1, W2, b2, ...] of one network whose logits are the mean of those of `networks` of that form.

    Hidden values stand side by side: the first layer is theirs in a row, later ones are block-diagonal, and
    the last adds up and divides.
    """
    if len(networks) == 1:
        return networks[0]
    count, length = len(networks), len(networks[0])
    layers: list[torch.Tensor] = []
    for depth in range(0, length, 2):
        weights = [network[depth] for network in networks]
        biases = [network[depth + 1] for network in networks]
        first, last = depth == 0, depth == length - 2
        if first and last:
            layers += [torch.stack(weights).mean(0), torch.stack(biases).mean(0)]
        elif last:
            layers += [torch.cat(weights) / count, torch.stack(biases).mean(0)]
        else:
            layers += [torch.cat(weights, dim=1) if first else torch.block_diag(*weights), torch.cat(biases)]
    return layers
