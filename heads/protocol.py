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

from extract.errors import InvalidInputError
from extract.runtime.devices import Stopwatch, resolve_device, torch_device
from heads import checks
from heads.base import Head
from heads.checks import Features
from heads.metrics import Scores, ValidationScore, fit_temperature, scores
from heads.registry import space as space_of
from heads.space import Candidate, Primitive, Progress, Space, Split

CRITERIA = ("auto", "log_loss", "accuracy")
TIES = 1  # beside the seed, of the generator that only decides between equal remainders


@dataclass(frozen=True)
class Choice:
    """What a search chose, on what evidence, at what cost.

    `options` are the chosen head's; `table` has one row per candidate: its options, validation `log_loss` and
    `accuracy`, and facts about its fit such as convergence. `validation` scores the chosen candidate on
    `validation_rows` rows *before* the refit; `temperature` was fitted there. Both are None, and the table is empty,
    without such rows. `training_accuracy` is the same candidate's on `training_sample` of the rows that it
    learned from. `training_rows` are those that the head was fitted to: all of them after the refit. `curves` are the
    chosen candidate's values per epoch, where it learns in epochs; without validation the refit's. `fit_facts` say how
    the refit converged.
    """

    kind: str
    options: dict[str, Primitive]
    criterion: str
    validation: Scores | None
    training_accuracy: float | None
    temperature: float | None
    table: tuple[dict[str, Primitive], ...]
    curves: dict[str, list[float]]
    training_rows: int
    validation_rows: int
    seed: int
    search_seconds: float
    fit_seconds: float = 0.0
    fit_facts: dict[str, Primitive] = dataclasses.field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """The fields as JSON primitives; None for a number that is not finite (a candidate that diverged)."""
        return {name: _finite(value) for name, value in dataclasses.asdict(self).items()}


def validation_split(
    labels: ArrayLike | torch.Tensor, fraction: float | int | None = 0.1, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(training rows, validation rows), both sorted int64, of `labels` [N]; stratified, the same for a seed.

    `fraction` is a share in (0, 1), a whole number of rows, or None for an empty validation part. Every class
    keeps at least one row to train on; so a class with a single row is never for validation. Raises InvalidInputError
    where that leaves fewer rows than asked for.
    """
    array = checks.label_array(labels, rows=len(labels))  # type: ignore[arg-type]
    everything = np.arange(len(array), dtype=np.int64)
    if fraction is None:
        return everything, everything[:0]
    _, encoded, counts = np.unique(array, return_inverse=True, return_counts=True)
    quotas = _quotas(counts, _wanted(fraction, len(array)), seed=seed)
    generator = np.random.default_rng(seed)
    taken = [generator.permutation(np.flatnonzero(encoded == k))[:quota] for k, quota in enumerate(quotas) if quota]
    validation = np.sort(np.concatenate(taken))
    return np.setdiff1d(everything, validation, assume_unique=True), validation


def fit_head(
    kind: str,
    options: Mapping[str, Primitive | list] | None = None,
    *,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    validation: float | int | None = 0.1,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Head, Choice]:
    """(the head of `kind` chosen on validation rows and refitted on all of them, the `Choice`).

    features [N, D] or [V, N, D] and labels [N] are the training split; test data have no way in. See `choose` for
    `validation`, `criterion` and views, and the kind's space for its options.
    """
    space = space_of(kind, options)
    choice = choose(
        space,
        features,
        labels,
        validation=validation,
        criterion=criterion,
        seed=seed,
        device=device,
        progress=progress,
    )
    return refit(space, choice, features, labels, device=device, progress=progress)


def choose(
    space: Space,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    *,
    validation: float | int | None = 0.1,
    criterion: str = "auto",
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> Choice:
    """The `Choice` among the candidates of `space`, made on a validation part of the training split.

    features [N, D] or [V, N, D], where the V views of an image (such as its mirror image) share its label:
    all views of the kept images train, view 0 of the validation images is scored, so that no image is on both
    sides. The best has the least validation log loss or the highest accuracy (`criterion`; auto is what the
    kind of head declares); of equals the more regularized. A row adds at most `ROW_LOSS_LIMIT` to a log loss: one
    image far from all that was learned would else outweigh the others, and a head that learned nothing would win.
    Candidates that gave non-finite logits are never chosen. With `validation` None the space must hold one
    candidate, which is taken as given.
    """
    checks.one_of("criterion", criterion, CRITERIA)
    views = as_views(features)
    classes, targets = checks.encode(labels, rows=views.shape[1])
    criterion = space.criterion if criterion == "auto" else criterion
    clock = Stopwatch(resolve_device(device))
    if validation is None:
        return given(space, space.single(), rows=len(targets), seed=seed)
    keep, hold = validation_split(targets, validation, seed=seed)
    split = _split(views, targets, keep, hold, class_count=len(classes), device=device)
    best, table = _search(space, split, targets[hold], criterion=criterion, seed=seed, progress=progress)
    seconds = clock.seconds()
    answers = torch.as_tensor(best.apply(split.features[split.sample])).argmax(1)
    return Choice(
        kind=space.kind,
        options=best.options,
        criterion=criterion,
        validation=scores(best.logits, targets[hold]),
        training_accuracy=float((answers.cpu() == split.targets[split.sample].cpu()).double().mean()),
        temperature=fit_temperature(best.logits, targets[hold]),
        table=table,
        curves=best.curves,
        training_rows=len(keep),
        validation_rows=len(hold),
        seed=seed,
        search_seconds=seconds,
    )


def refit(
    space: Space,
    choice: Choice,
    features: Features,
    labels: ArrayLike | torch.Tensor,
    *,
    device: str = "cpu",
    progress: Progress | None = None,
) -> tuple[Head, Choice]:
    """(the chosen head fitted to the whole training split, the choice with the fit's seconds and facts).

    features [N, D] or [V, N, D] and labels [N], as in `choose`; every view trains. A temperature that a head would
    fit to its training rows, each left out in turn, is fitted on view 0 alone: a row's other views would know it.
    """
    views = as_views(features)
    targets = checks.label_array(labels, rows=views.shape[1])
    clock = Stopwatch(resolve_device(device))
    options = _with_temperature(space, choice, views, targets, device=device)
    if space.averages_views:
        options = {**options, "views": len(views)}
    head = space.head(options, seed=choice.seed, device=device)
    head.__dict__["_progress"] = progress
    try:
        head.fit(views.flatten(0, 1), np.tile(targets, len(views)))
    finally:
        del head.__dict__["_progress"]
    facts = {
        name: getattr(head, attribute)
        for name, attribute in (
            ("gradient_norm", "gradient_norm_"),
            ("iterations", "n_iter_"),
            ("converged", "converged_"),
        )
        if hasattr(head, attribute)
    }
    return head, dataclasses.replace(
        choice,
        training_rows=len(targets),
        fit_seconds=clock.seconds(),
        fit_facts=facts,
        curves=choice.curves or getattr(head, "curves_", {}),
    )


def _with_temperature(
    space: Space, choice: Choice, views: torch.Tensor, targets: np.ndarray, *, device: str
) -> dict[str, Primitive]:
    """The chosen options, with the temperature of a head of view 0 where one is to be fitted beside other views."""
    if len(views) == 1 or not space.fits_temperature or choice.options.get("temperature") is not None:
        return choice.options
    alone = space.head(choice.options, seed=choice.seed, device=device).fit(views[0], targets)
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


def _wanted(fraction: float | int, rows: int) -> int:
    is_number = isinstance(fraction, int | float | np.integer | np.floating) and not isinstance(fraction, bool)
    if is_number and isinstance(fraction, int | np.integer) and 0 < fraction < rows:
        return int(fraction)
    if is_number and 0 < fraction < 1:
        return max(1, round(float(fraction) * rows))
    raise InvalidInputError(
        f"validation must be a share between 0 and 1, fewer rows than the {rows} there are, or none; "
        f"got {fraction!r}. Use --validation 0.1."
    )


def _quotas(counts: np.ndarray, wanted: int, *, seed: int) -> np.ndarray:
    """How many rows of each class to hold out: `wanted` in all, in proportion, at most all but one of each."""
    room = counts - 1
    if not room.any():
        raise InvalidInputError(
            f"validation must leave every class a row to train on; got one image of each of {len(counts)} classes. "
            "Use --validation none, or add images."
        )
    if room.sum() < wanted:
        raise InvalidInputError(
            f"validation must leave every class a row to train on, so be at most {room.sum()} rows here; "
            f"got {wanted}. Take fewer for validation, or add images."
        )
    ideal = counts * (wanted / counts.sum())
    quotas = np.minimum(np.floor(ideal).astype(int), room)
    order = np.random.default_rng((seed, TIES)).permutation(len(counts))  # a generator of its own: rows are as ever
    while quotas.sum() < wanted:  # largest remainder first; ties fall by the seed
        lack = np.where(quotas < room, ideal - quotas, -np.inf)
        equal = np.flatnonzero(lack > lack.max() - 1e-9)
        quotas[equal[order[equal].argmin()]] += 1
    return quotas


def _split(
    views: torch.Tensor, targets: np.ndarray, keep: np.ndarray, hold: np.ndarray, *, class_count: int, device: str
) -> Split:
    where = torch_device(resolve_device(device))
    kept = torch.cat([view[torch.from_numpy(keep).to(view.device)] for view in views])
    return Split(
        features=kept.to(where),
        targets=torch.from_numpy(np.tile(targets[keep], len(views))).to(where),
        validation_features=views[0][torch.from_numpy(hold).to(views.device)].to(where),
        validation_targets=torch.from_numpy(targets[hold]).to(where),
        class_count=class_count,
        views=len(views),
    )


def _search(
    space: Space, split: Split, labels: np.ndarray, *, criterion: str, seed: int, progress: Progress | None
) -> tuple[Candidate, tuple[dict[str, Any], ...]]:
    best: Candidate | None = None
    best_cost = np.inf
    table: list[dict[str, Any]] = []
    for candidate in space.candidates(split, criterion=criterion, seed=seed, progress=progress):
        judgement = ValidationScore.of(candidate.logits, labels)
        row = {**candidate.options, **dataclasses.asdict(judgement), **candidate.facts}
        table.append(row)
        cost = judgement.cost(criterion)
        if best is None or cost < best_cost:
            best, best_cost = candidate, cost
        if progress is not None:
            progress(len(table), space.trials(split), "candidates")
    if best is None or not np.isfinite(best_cost):
        raise InvalidInputError(
            f"the {space.kind} search must have a candidate with finite logits; got none of {len(table)}. "
            "Lower the learning rates."
        )
    return best, tuple(table)


def given(space: Space, options: dict[str, Primitive], *, rows: int, seed: int) -> Choice:
    """The `Choice` of these very options, for training on all of `rows` with nothing to choose by."""
    return Choice(
        kind=space.kind,
        options=options,
        criterion="given",
        validation=None,
        training_accuracy=None,
        temperature=None,
        table=(),
        curves={},
        training_rows=rows,
        validation_rows=0,
        seed=seed,
        search_seconds=0.0,
    )
