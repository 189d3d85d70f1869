"""The one abstract type: a head reads frozen features and gives logits."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from extract.runtime.options import check, option
from heads import checks
from heads.checks import Features
from heads.imbalance.class_weights import class_weights
from heads.modules import in_blocks
from heads.trials import Candidate, FeatureSplit, Progress


def parameter(default: Any, **declared: Any) -> Any:
    """A parameter of a head, with its range as in `extract.runtime.options.option`; its space holds the help."""
    return option(default, "", **declared)


@dataclass(eq=False, repr=False)
class Head(ClassifierMixin, BaseEstimator):
    """A classifier of feature vectors that follows scikit-learn's estimator contract.

    A kind of head implements `_fit` (learn), `module` (apply and export) and `candidates` (search), and says in
    `weight_names` which fitted arrays it needs to be applied; the rest is here. It is a dataclass of its parameters,
    declared by `parameter`. Input is a numpy array or a torch tensor [N, D] of any
    float precision. Fitted: `classes_` [K], sorted; `n_features_in_`, D.
    """

    if TYPE_CHECKING:  # what `head_class` gives takes the parameters of its kind

        def __init__(self, *values: Any, **parameters: Any) -> None: ...

    kind: ClassVar[str]
    weight_names: ClassVar[tuple[str, ...]]
    _progress: ClassVar[Progress | None] = None  # hears of the epochs of a fit
    _start: ClassVar[object] = None  # what a fit may begin with: `Candidate.start` of the candidate that was chosen

    def fit(self, features: Features, labels: ArrayLike | torch.Tensor) -> Self:
        """The head itself, fitted to `features` [N, D] and `labels` [N] (numbers or strings).

        Raises InvalidInputError for NaN or infinite features, one class only, lengths that differ, and options
        out of their range.
        """
        check(self)
        tensor = checks.matrix(features)
        classes, targets = checks.encode(labels, rows=len(tensor))
        weights = class_weights(getattr(self, "class_weights", "none"), classes, targets)
        weighted = {} if weights is None else {"class_weights": weights}
        self._fit(tensor, torch.from_numpy(targets), n_classes=len(classes), **weighted)
        self.classes_ = classes
        self.n_features_in_ = tensor.shape[1]
        return self

    def logits(self, features: Features) -> np.ndarray:
        """Unnormalized log probabilities float32 [N, K] of `features` [N, D], columns as in `classes_`."""
        self._require_fitted()
        tensor = checks.matrix(features, width=self.n_features_in_, head=type(self).__name__)
        return self._logits(tensor)

    def predict_proba(self, features: Features) -> np.ndarray:
        """Probabilities float64 [N, K]: the softmax of `logits`; rows sum to one."""
        return softmax(self.logits(features).astype(np.float64), axis=1)

    def predict(self, features: Features) -> np.ndarray:
        """The likeliest of `classes_` for every row [N]; the first of equals."""
        columns = self.logits(features).argmax(axis=1)
        return self.classes_[columns]

    def score(self, X: Features, y: ArrayLike | torch.Tensor, sample_weight: ArrayLike | None = None) -> float:
        """The share of the features `X` [N, D] that get their own of the labels `y` [N], of any kind that `fit` takes.

        The names are scikit-learn's, which passes `y` by its name.
        """
        from sklearn.metrics import accuracy_score

        predicted = self.predict(X)
        labels = checks.label_array(y, rows=len(predicted))
        return float(accuracy_score(labels, predicted, sample_weight=sample_weight))

    def weights(self) -> dict[str, np.ndarray]:
        """The fitted arrays that applying the head needs, by their attribute names."""
        self._require_fitted()
        return {name: np.asarray(getattr(self, name)) for name in self.weight_names}

    def with_weights(self, weights: dict[str, np.ndarray], classes: np.ndarray, *, width: int) -> Self:
        """The head itself, made usable with the arrays that `weights()` gave before; no fitting."""
        for name in self.weight_names:
            setattr(self, name, weights[name])
        self.classes_ = classes
        self.n_features_in_ = width
        return self

    @classmethod
    @abstractmethod
    def candidates(
        cls, space: Any, split: FeatureSplit, *, criterion: str, seed: int, progress: Progress | None = None
    ) -> Iterator[Candidate]:
        """Yields a trial of every candidate of `space`, the most regularized first (it wins ties).

        `criterion` (`trials.CRITERIA`) is what epochs are scored by, in heads that learn in epochs; `progress`
        counts these.
        """

    @abstractmethod
    def module(self) -> torch.nn.Module:
        """The fitted head as a torch module on the CPU: features float [B, D] -> logits float64 [B, K]."""

    @abstractmethod
    def _fit(self, features: torch.Tensor, targets: torch.Tensor, *, n_classes: int) -> None:
        """Learns from finite `features` [N, D] and class indices int64 [N].

        A kind of head with the parameter `class_weights` takes the weights float64 [K] too, where there are any.
        """

    def _logits(self, features: torch.Tensor) -> np.ndarray:
        """float32 [N, K] for finite `features` [N, D] of the right width."""
        return in_blocks(self.module(), features.cpu()).numpy()

    def _require_fitted(self) -> None:
        if not hasattr(self, "classes_"):
            raise NotFittedError(f"This {type(self).__name__} instance is not fitted yet. Call fit first.")
