"""A trial of one candidate of a search: the rows that it gets, and what comes back. Imports no torch."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

Primitive = str | int | float | bool | None | tuple["Primitive", ...]
OptionValue = Primitive | Sequence[Primitive] | Mapping[Any, float]  # as it is given; mapped are weights of labels
CRITERIA = ("auto", "log_loss", "accuracy", "balanced_accuracy", "macro_f1")  # auto: what the kind of head declares
Progress = Callable[[int, int, str], None]  # (how many are done, how many there are, of what: "epochs", "candidates")


@dataclass(frozen=True)
class FeatureSplit:
    """The training split in two: rows to learn from, and validation rows to choose by. No test data.

    `rows` [M, D] are both, on the computing device; `numbers` int64 [N] are the rows to learn from,
    `validation_numbers` int64 [V] the others. Their targets int64 [N] and [V] are class indices below n_classes.
    Every class occurs in targets. The N rows are `views` blocks, each of the same images in the same order.
    `class_weights` float64 [K] weigh the classes in the loss; None: all the same.
    """

    rows: "torch.Tensor"
    numbers: "torch.Tensor"
    targets: "torch.Tensor"
    validation_numbers: "torch.Tensor"
    validation_targets: "torch.Tensor"
    n_classes: int
    views: int = 1
    class_weights: "torch.Tensor | None" = None

    @functools.cached_property
    def features(self) -> "torch.Tensor":
        """[N, D]: a copy of the rows to learn from, made once."""
        return self.rows[self.numbers]

    @functools.cached_property
    def validation_features(self) -> "torch.Tensor":
        """[V, D]: a copy of the validation rows, made once."""
        return self.rows[self.validation_numbers]

    @property
    def sample_features(self) -> "torch.Tensor":
        """The features of the rows `sample`."""
        return self.rows[self.numbers[self.sample]]

    @property
    def sample(self) -> "torch.Tensor":
        """int64 numbers of the training rows that are scored beside the validation rows, of view 0 as these are."""
        import torch

        from heads.rows import training_sample

        return torch.from_numpy(training_sample(len(self.targets) // self.views)).to(self.targets.device)


@dataclass(frozen=True)
class Candidate:
    """One trial: the head's options, its logits float32 [M, K] on the validation rows, and facts about the fit.

    `apply` gives logits [N, K], or multiples of them, of other features [N, D] by the very head of the trial.
    `curves` are values per epoch, by name, of heads that learn in epochs. `start` is what a refit may begin with.
    One that is no choice, such as a look at fewer images, only leads to those that are.
    """

    options: dict[str, Primitive]
    logits: "np.ndarray"
    facts: dict[str, float | int | bool]
    apply: "Callable[[torch.Tensor], torch.Tensor]"
    curves: dict[str, list[float]] = field(default_factory=dict)
    start: object = None
    is_choice: bool = True
