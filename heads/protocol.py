"""The protocol: hold out a part of the training split, choose on it, refit the choice on everything.

Nothing here takes test data. The caller scores the test split once, with the head that comes back.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from extract.errors import InvalidInputError, unknown
from extract.runtime.devices import Stopwatch, resolve_device, torch_device
from extract.runtime.groups import one_of_each
from heads import checks
from heads.base import Head
from heads.checks import Features
from heads.imbalance.class_weights import class_weights
from heads.metrics import Scores, ValidationScore, fit_temperature, scores
from heads.registry import space as space_of
from heads.rows import validation_split
from heads.space import Space
from heads.trials import CRITERIA, Candidate, FeatureSplit, OptionValue, Primitive, Progress

FACTS = {"gradient_norm": "gradient_norm_", "iterations": "n_iter_", "converged": "converged_"}


@dataclass(frozen=True)
class Choice:
    """Result of a search: the chosen candidate, its evidence and its cost.

    `options` are the chosen head's; `table` has one row per candidate: its options, its `metrics.ValidationScore`, and
    facts about its fit such as convergence. `validation` scores the chosen candidate on `validation_rows` rows
    *before* the refit; `temperature` was fitted there. Without such rows both are None, the
    table is empty, and the criterion "given". `training_accuracy` is the same candidate's on `training_sample` of the
    rows that it learned from. `training_rows` are those that the head was fitted to: all of them after the refit.
    `curves` are the chosen candidate's values per epoch, where it learns in epochs; without validation the refit's.
    `fit_facts` say how the refit converged. `start` is what the search hands it to begin with,
    `validation_logits` float32 [M, K] the chosen candidate's.
    """

    kind: str
    options: dict[str, Primitive]
    seed: int
    training_rows: int
    validation_rows: int = 0
    criterion: str = "given"
    validation: Scores | None = None
    training_accuracy: float | None = None
    temperature: float | None = None
    table: tuple[dict[str, Primitive], ...] = ()
    curves: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    search_seconds: float = 0.0
    fit_seconds: float = 0.0
    fit_facts: dict[str, Primitive] = dataclasses.field(default_factory=dict)
    start: object = dataclasses.field(default=None, repr=False, compare=False)
    validation_logits: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, object]:
        """The fields but the last two as JSON; None for a number that is not finite (of one that diverged)."""
        fields = dataclasses.asdict(dataclasses.replace(self, start=None, validation_logits=None))
        return {name: _finite(value) for name, value in fields.items() if name not in ("start", "validation_logits")}


def fit_head(
    kind: str,
    options: Mapping[str, OptionValue] | None = None,
    *,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    groups: np.ndarray | None = None,
    validation: float | int | None = 0.1,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Head, Choice]:
    """(the head of `kind` chosen on validation rows and refitted on all of them, the `Choice`).

    features [N, D] or [V, N, D] and labels [N] are the training split; test data have no way in. See `choose` for
    `groups`, `validation`, `criterion` and views, and the kind's space for its options.
    """
    space = space_of(kind, options)
    choice = choose(
        space,
        features,
        labels,
        groups=groups,
        validation=validation,
        criterion=criterion,
        seed=seed,
        device=device,
        progress=progress,
    )
    return refit(space, choice, features, labels, groups=groups, device=device, progress=progress)


def choose(
    space: Space,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    *,
    groups: np.ndarray | None = None,
    validation: float | int | None = 0.1,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Choice:
    """The `Choice` among the candidates of `space`, made on a validation part of the training split.

    features [N, D] or [V, N, D], where the V views of an image (such as its mirror image) share its label:
    all views of the kept images train, view 0 of the validation images is scored, so that no image is on both
    sides. Rows of one of `groups` [N] are on one side too. The best has the least validation log loss or the highest of
    another `criterion` (`trials.CRITERIA`; auto is what the kind of head declares); of equals the more regularized.
    With class weights the log loss has them too. A row adds at most `ROW_LOSS_LIMIT` to a log loss: one image far from
    all that was learned would else outweigh the others, and a head that learned nothing would win. Candidates that gave
    non-finite logits are never chosen. With `validation` None the space must hold one candidate, which is taken as
    given.
    """
    if criterion not in CRITERIA:
        raise unknown("criterion", name=str(criterion), known=CRITERIA)
    seed = int(seed)  # a choice is JSON
    views = as_views(features)
    classes, targets = checks.encode(labels, rows=views.shape[1])
    if validation is None:
        return Choice(space.kind, space.single(), seed, training_rows=len(targets))
    criterion = space.criterion if criterion == "auto" else criterion
    clock = Stopwatch(resolve_device(device))
    keep, hold = validation_split(targets, validation, seed=seed, groups=groups)
    weights = class_weights(getattr(space, "class_weights", "none"), classes, targets[keep])
    split = _split(views, targets, keep, hold, n_classes=len(classes), device=device, weights=weights)
    best, table = _search(space, split, targets[hold], criterion=criterion, seed=seed, progress=progress)
    found = _chosen(space, best, split, targets[hold], seed=seed)
    return dataclasses.replace(found, criterion=criterion, table=table, search_seconds=clock.seconds())


def refit(
    space: Space,
    choice: Choice,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    *,
    groups: np.ndarray | None = None,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Head, Choice]:
    """(the chosen head fitted to the whole training split, the choice with the fit's seconds and facts).

    features [N, D] or [V, N, D] and labels [N], as in `choose`; every view trains. A temperature that a head would
    fit to its training rows, each left out in turn, is fitted on view 0 alone, and on one row of each of `groups` [N]
    and class: a row's other views, and other rows of its group, would know it.
    """
    views = as_views(features)
    targets = checks.label_array(labels, rows=views.shape[1])
    groups = None if groups is None else checks.group_array(groups, rows=len(targets))
    clock = Stopwatch(resolve_device(device))
    options = _with_temperature(space, choice, views, targets, groups=groups, device=device)
    if space.averages_views:
        options = {**options, "views": len(views)}
    head = space.head(options, seed=choice.seed, device=device)
    head.__dict__.update(_progress=progress, _start=choice.start)
    try:
        head.fit(views.flatten(0, 1), np.tile(targets, len(views)))
    finally:
        del head.__dict__["_progress"], head.__dict__["_start"]
    return head, dataclasses.replace(
        choice,
        training_rows=len(targets),
        fit_seconds=clock.seconds(),
        fit_facts={name: getattr(head, source) for name, source in FACTS.items() if hasattr(head, source)},
        curves=choice.curves or getattr(head, "curves_", {}),
    )


def _with_temperature(
    space: Space,
    choice: Choice,
    views: torch.Tensor,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None,
    device: str,
) -> dict[str, Primitive]:
    """The chosen options, with the temperature of a head of unrelated rows where one is to be fitted beside others."""
    related = len(views) > 1 or groups is not None
    if not related or not space.fits_temperature or choice.options.get("temperature") is not None:
        return choice.options
    rows = np.arange(len(targets)) if groups is None else one_of_each(targets, groups)
    alone = space.head(choice.options, seed=choice.seed, device=device).fit(views[0][rows], targets[rows])
    return {**choice.options, "temperature": float(alone.temperature_)}  # type: ignore[attr-defined]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_finite(entry) for entry in value)
    return None if isinstance(value, float) and not np.isfinite(value) else value


def as_views(features: Features) -> torch.Tensor:
    """`features` [N, D] or [V, N, D] as a finite tensor [V, N, D]; InvalidInputError otherwise."""
    tensor = checks.as_tensor(features)
    if tensor.ndim == 2:
        return checks.matrix(tensor)[None]
    if tensor.ndim != 3 or len(tensor) == 0:
        raise InvalidInputError(
            f"features must be an array [N, D], or [V, N, D] with V views; got shape {tuple(tensor.shape)}. "
            "Pass the features of a feature file."
        )
    for view in tensor:
        checks.matrix(view)
    return tensor


def _split(
    views: torch.Tensor,
    targets: np.ndarray,
    keep: np.ndarray,
    hold: np.ndarray,
    *,
    n_classes: int,
    device: str,
    weights: torch.Tensor | None,
) -> FeatureSplit:
    where = torch_device(resolve_device(device))
    numbers = (torch.from_numpy(keep) + views.shape[1] * torch.arange(len(views))[:, None]).flatten()
    return FeatureSplit(
        rows=views.flatten(0, 1).to(where),
        numbers=numbers.to(where),
        targets=torch.from_numpy(np.tile(targets[keep], len(views))).to(where),
        validation_numbers=torch.from_numpy(hold).to(where),
        validation_targets=torch.from_numpy(targets[hold]).to(where),
        n_classes=n_classes,
        views=len(views),
        class_weights=None if weights is None else weights.to(where),
    )


def _search(
    space: Space, split: FeatureSplit, labels: np.ndarray, *, criterion: str, seed: int, progress: Progress | None
) -> tuple[Candidate, tuple[dict[str, Any], ...]]:
    best: Candidate | None = None
    best_cost = np.inf
    table: list[dict[str, Any]] = []
    weights = None if split.class_weights is None else split.class_weights.cpu().numpy()
    for candidate in space.candidates(split, criterion=criterion, seed=seed, progress=progress):
        score = ValidationScore.of(candidate.logits, labels, weights)
        table.append({**candidate.options, **dataclasses.asdict(score), **candidate.facts})
        cost = score.cost(criterion)
        if candidate.is_choice and (best is None or cost < best_cost):
            best, best_cost = candidate, cost
        if progress is not None:
            progress(len(table), space.trials(split), "candidates")
    if best is None or not np.isfinite(best_cost):
        raise InvalidInputError(
            f"the {space.kind} search must have a candidate with finite logits; got none of {len(table)}. "
            "Lower the learning rates."
        )
    return best, tuple(table)


def _chosen(space: Space, best: Candidate, split: FeatureSplit, labels: np.ndarray, *, seed: int) -> Choice:
    """The choice of `best`, scored on the validation rows of class `labels` [M] and on the sample of training rows."""
    answers = best.apply(split.sample_features).argmax(1)
    return Choice(
        space.kind,
        best.options,
        seed,
        training_rows=len(split.targets) // split.views,
        validation_rows=len(labels),
        validation=scores(best.logits, labels),
        training_accuracy=float((answers.cpu() == split.targets[split.sample].cpu()).double().mean()),
        temperature=fit_temperature(best.logits, labels),
        curves=best.curves,
        start=best.start,
        validation_logits=best.logits,
    )
