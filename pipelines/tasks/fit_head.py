"""The request of `pipeline fit-head` and its result.

What is cached needs no features, which may have been trimmed away; a mistake is an error before anything is extracted.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from extract.data.datasets import load
from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, HeadSpec, locate, resolve_shots
from pipelines.specs.data import is_here
from pipelines.tasks import features, fitting, stages
from pipelines.training.images import training_labels
from pipelines.workspace import extractions
from pipelines.workspace.context import Context
from pipelines.workspace.record import DoneRecord, ShotsRow


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

    heads: list[stages.StageResult[DoneRecord]]
    few_labels: list[ShotsRow] | None
    features: Path
    extraction_seconds: float | None


def fit(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> FitHeadResult:
    """The result on the features that `extraction` describes: cached, or on them extracted or found."""
    known = kept(request, extraction, context)
    if known is not None:
        return known
    check(request, extraction, context)
    with stages.validation_features(extraction, context) as found:
        return on_file(request, context, features_path=found.path)


def kept(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> FitHeadResult | None:
    """The result where all of it is cached: every seed, and the table if one is requested; else None.

    The feature file itself may be gone. Downloads nothing: of data that are not here nothing can be looked up.
    """
    if not is_here(extraction, context.workspace):
        return None
    source = stages.kept_features(extraction, context)
    if source is None:
        return None
    content = source.record.content
    heads = [stages.kept_head(one, context, content=content) for one in request.heads()]
    table = None
    if request.shots is not None:
        table = stages.kept_few_labels(
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
    from extract.features.store import FeatureFile

    heads = [stages.fit_head(one, context, features_path=features_path) for one in request.heads()]
    table = None
    if request.shots is not None:
        table = stages.few_labels(
            request.head, context, features_path=features_path, counts=request.shots, draws=request.draws
        )
    noted = extractions.find(context.workspace, FeatureFile(features_path).content)
    return FitHeadResult(heads, table, features_path, None if noted is None else noted.seconds)


def check(request: FitHeadRequest, extraction: ExtractSpec, context: Context) -> None:
    """Raises `InvalidInputError` for a head that could not be fitted on the features of `extraction`."""
    fitting.check(request.head)
    labels = training_labels(extraction, load(locate(extraction, context.workspace)))
    fitting.check_rows(request.head, labels)
    least = int(np.unique(labels, return_counts=True)[1].min())
    if max(request.shot_counts(), default=0) > least:
        raise InvalidInputError(
            f"shots must be at most {least}, the rows of the smallest class; got {request.shots}. Ask for fewer."
        )
