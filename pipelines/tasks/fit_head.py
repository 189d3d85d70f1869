"""Feature file x head -> a run, computed or found; the request of `pipeline fit-head` and its result.

What is cached needs no features, which may have been trimmed away; a mistake is an error before anything is extracted.
"""

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from extract.data.datasets import load
from extract.errors import InvalidInputError, StorageError
from extract.features.store import FeatureFile, SplitFeatures, locked
from extract.runtime.devices import Stopwatch
from extract.runtime.formats import written
from extract.runtime.memory import Peak, enough_for
from heads import registry
from pipelines.specs import ExtractSpec, HeadKey, HeadSpec, class_weights, locate, resolve_head, resolve_shots
from pipelines.specs.data import is_here
from pipelines.specs.spec import Fields
from pipelines.tasks import features, few_shot, head_run
from pipelines.tasks.extract import kept_features, pinned_features
from pipelines.tasks.features import FeatureInputs
from pipelines.training.images import training_split
from pipelines.workspace import cache, extractions, rates, records
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord, RunName, ShotsRow, TrainingScore

if TYPE_CHECKING:
    from heads import Choice, Head

LESS_MEMORY = "Use features of fewer images (--subset) or of a narrower backbone, or another --head"


@dataclass(frozen=True)
class FitHeadRequest:
    """A head, fitted with `count` seeds from its own on, and with few labels where `shots` are given.

    Raises `InvalidInputError` for what can never be right.
    """

    head: HeadSpec
    count: int = 1
    shots: tuple[int, ...] | None = None
    draws: int = 5

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InvalidInputError(f"seeds must be at least 1; got {self.count}.")
        replace(self.head, seed=self.head.seed + self.count - 1)
        self.shot_counts()

    def heads(self) -> list[HeadSpec]:
        """The head once for every seed."""
        return [replace(self.head, seed=self.head.seed + repeat) for repeat in range(self.count)]

    def shot_counts(self) -> list[int]:
        """The numbers of labels a class, ascending; none where no table is requested."""
        if self.shots is None:
            return []
        return resolve_shots(self.head, features="", shots=self.shots, draws=self.draws).shots


@dataclass(frozen=True)
class FitHeadResult:
    """The `heads`, one a seed; rows of the table of few labels, None where none is requested.

    `features` is the file that they were learned from, `extraction_seconds` what making it took, whichever
    command did; None where that is not known, of a file from elsewhere.
    """

    heads: list[StageResult[DoneRecord]]
    few_labels: list[ShotsRow] | None
    features: Path
    extraction_seconds: float | None


def fit(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> FitHeadResult:
    """The result on the features that `extraction` describes: cached, or on them extracted or found."""
    known = _kept(request, extraction, context)
    if known is not None:
        return known
    _check_request(request, extraction, context)
    with pinned_features(extraction, context) as found:
        return on_file(request, context, features_path=found.path)


def _kept(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> FitHeadResult | None:
    """The result where all of it is cached: every seed, and the table if one is requested; else None.

    The feature file itself may be gone. Downloads nothing: of data that are not here nothing can be looked up.
    """
    if not is_here(extraction, context.workspace):
        return None
    source = kept_features(extraction, context)
    if source is None:
        return None
    content = source.record.content
    heads = [kept_head(one, context, content=content) for one in request.heads()]
    table = None
    if request.shots is not None:
        table = few_shot.kept_few_labels(
            request.head, context, content=content, counts=request.shots, draws=request.draws
        )
    known = [one for one in heads if one is not None]
    if len(known) < len(heads) or (table is None and request.shots is not None):
        return None
    context.tell(source.notices)
    if not features.is_intact(source.record, context.workspace):
        context.notice(f"{source.record.file} is gone; what was learned from it is kept")
    return FitHeadResult(known, table, source.path, source.record.seconds)


def on_file(request: FitHeadRequest, context: Context, *, features_path: Path) -> FitHeadResult:
    """The result on a feature file; each run is cached by itself."""
    heads = [fitted_head(one, context, features_path=features_path) for one in request.heads()]
    table = None
    if request.shots is not None:
        table = few_shot.few_labels(
            request.head, context, features_path=features_path, counts=request.shots, draws=request.draws
        )
    noted = extractions.find(context.workspace, FeatureFile(features_path).content)
    return FitHeadResult(heads, table, features_path, None if noted is None else noted.seconds)


def _check_request(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> None:
    """Raises `InvalidInputError` for a head that could not be fitted on the features of `extraction`."""
    check(request.head)
    from heads.shots import most_shots

    images = load(locate(extraction, context.workspace))
    class_weights.labeled(request.head.options, images.class_names)
    split = training_split(extraction, images)
    check_rows(request.head, split.labels, split.groups)
    most, of = most_shots(split.labels, split.groups), "rows" if split.groups is None else "groups"
    if max(request.shot_counts(), default=0) > most:
        raise InvalidInputError(
            f"shots must be at most {most}, the {of} of the smallest class; got {written(request.shots)}. "
            "Ask for fewer."
        )


def check(spec: HeadSpec) -> None:
    """Raises InvalidInputError for a head of an unknown kind, or with options that it has not.

    Several candidates without validation images to choose by are refused too.
    """
    _check_options(spec.head, dict(spec.options), validation=spec.validation_part())


def check_rows(spec: HeadSpec, labels: np.ndarray, groups: np.ndarray | None) -> None:
    """Raises `InvalidInputError` where `labels` and `groups` leave no validation split to choose a head by."""
    import heads

    heads.validation_split(labels, spec.validation_part(), seed=spec.seed, groups=groups)


def fitted_head(spec: HeadSpec, context: Context, *, features_path: Path) -> StageResult[DoneRecord]:
    """A head on a feature file, computed or found; where another process fits the same one, it is waited for."""
    file, workspace = FeatureFile(features_path), context.workspace
    noted = extractions.find(workspace, file.content)
    context.tell(() if noted is None else noted.notices)
    if (found := kept_head(spec, context, content=file.content)) is not None:
        return found
    key, read = resolve_head(spec, features=file.content), functools.partial(records.intact, workspace)
    cache.make_workspace(workspace)
    with locked(records.folder(workspace, key.run())):
        inputs = FeatureInputs(file, context)
        record, cached = cache.ask(_fit_head, key.text(), context=inputs, workspace=workspace, read=read)
    return StageResult(record, workspace / "runs" / record.run, cached)


def kept_head(spec: HeadSpec, context: Context, *, content: str) -> StageResult[DoneRecord] | None:
    """A head on the features whose content digest is `content`, where it is kept with all its files; else None.

    The feature file itself may be gone: what was learned from it stays known.
    """
    workspace, key = context.workspace, resolve_head(spec, features=content)
    read = functools.partial(records.intact, workspace)
    record = cache.find(_fit_head, key.text(), workspace=workspace, read=read)
    return None if record is None else StageResult(record, workspace / "runs" / record.run)


def _fit_head(key: str, context: FeatureInputs) -> RunName:
    return compute(HeadKey.from_text(key), context)


def compute(key: HeadKey, inputs: FeatureInputs) -> RunName:
    """Chooses, refits and scores a head, keeps it under `runs/<run>/`, and returns the run's name.

    A fit that fails leaves a record of the failure. What `check` refuses is refused before anything is written.
    """
    context, file, peak = inputs.context, inputs.file, Peak(inputs.context.device)
    _check_options(key.head, key.options, validation=key.validation)
    try:
        source = features.known(file, context)
        with enough_for("fitting a head", remedy=LESS_MEMORY):
            fitted = _fit(key, inputs)
    except (InvalidInputError, StorageError):
        raise
    except Exception as error:
        head_run.keep_failure(key, inputs, error)
        raise
    head_run.keep(key, inputs, fitted, source=source, peak_memory_bytes=peak.bytes())
    _keep_rate(key, inputs, fitted)
    return key.run()


def _keep_rate(key: HeadKey, inputs: FeatureInputs, fitted: head_run.FittedHead) -> None:
    """Keeps what an operation of this kind of head took, for estimates."""
    space, choice, shapes = registry.space(key.head, key.options), fitted.choice, inputs.file.shapes
    (views, rows, width), scored = shapes["train"], shapes["test"][1]
    operations = space.operations(
        views * rows, scored=views * scored, width=width, classes=len(inputs.file.class_names)
    )
    seconds = choice.search_seconds + choice.fit_seconds + fitted.evaluation_seconds - space.fixed_seconds
    rates.keep_run(inputs.context.workspace, rates.work("head", key.head), seconds, pieces=operations)


def _check_options(kind: str, options: Fields, *, validation: float | int | None) -> None:
    space = registry.space(kind, options)
    if validation is None:
        space.single()


def _fit(key: HeadKey, inputs: FeatureInputs) -> head_run.FittedHead:
    """The chosen, refitted and scored head. The test split is read only after the head is chosen and refitted."""
    import heads

    context, file = inputs.context, inputs.file
    context.doing("fitting the head")
    train = file.read("train")
    options = class_weights.labeled(key.options, file.class_names)
    head, choice = heads.fit_head(
        key.head,
        options,
        features=train.features,
        labels=train.labels,
        groups=train.groups,
        validation=key.validation,
        criterion=key.criterion,
        seed=key.seed,
        device=context.device,
        progress=context.fitting,
    )
    watch = Stopwatch(context.device)
    context.doing("scoring the test images")
    test = file.read("test")
    logits = head.logits(test.features[0])
    validation = _validation(key, choice, options, train=train, context=context)
    seconds = watch.seconds()
    others = [head.logits(view) for view in test.features[1:]]
    averaged = sum(others, logits) / len(test.features) if others else None
    training = _training(key, head, choice, train=train)
    return head_run.FittedHead(head, choice, logits, test.labels, test.ids, averaged, training, seconds, validation)


def _validation(
    key: HeadKey, choice: "Choice", options: Fields, *, train: SplitFeatures, context: Context
) -> head_run.ValidationAnswers | None:
    """What predictions take from the validation images; None without any."""
    import heads
    from heads.analysis.own import own_probabilities
    from heads.trust.novelty import Reference

    if choice.validation_logits is None:
        return None
    rows, held = heads.validation_split(train.labels, key.validation, seed=key.seed, groups=train.groups)
    reference = Reference.of(train.features[0], rows, held, seed=key.seed)
    labels = np.searchsorted(np.unique(train.labels), train.labels[held])  # the columns of the logits
    space, data = registry.space(key.head, options), (train.features, train.labels)
    if space.is_regression:
        context.doing("judging the training images out of fold")
    own = own_probabilities(space, choice, *data, groups=train.groups, device=context.device)
    ids = tuple(train.ids[row] for row in held)
    return head_run.ValidationAnswers(choice.validation_logits, labels, ids, reference, own)


def _training(key: HeadKey, head: "Head", choice: "Choice", *, train: SplitFeatures) -> TrainingScore:
    """What the head says of a sample of the images that it learned from; of those that no choice held back."""
    import heads

    rows, _ = heads.validation_split(train.labels, key.validation, seed=key.seed, groups=train.groups)
    rows = rows[heads.training_sample(len(rows))]
    kept = float(head.score(train.features[0][rows], train.labels[rows]))
    scored = choice.training_accuracy
    return TrainingScore(rows=len(rows), accuracy=kept if scored is None else scored, kept_accuracy=kept)
