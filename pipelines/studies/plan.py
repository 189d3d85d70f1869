"""What a study still needs: every job asked of the cache, and the extractions that missing heads wait for."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from extract.data import datasets
from extract.data.images import ImageSet
from extract.errors import InvalidInputError, TransferBenchError
from pipelines.specs import ExtractSpec, HeadSpec, data
from pipelines.studies.checks import check
from pipelines.studies.crossing import JobPlace
from pipelines.studies.jobs import Job
from pipelines.tasks import fitting, stages
from pipelines.training.images import check_training, training_labels
from pipelines.workspace import cache
from pipelines.workspace.context import Context

CACHED, MISSING, IMPOSSIBLE = "cached", "missing", "impossible"


@dataclass(frozen=True)
class Planned:
    """A job and its state: "cached" with its `record`, "missing", or "impossible" with the reason.

    `refused` says that the reason is the user's mistake, not something that is out of reach just now.
    """

    job: Job
    state: str
    record: dict[str, Any] | None = None
    reason: str = ""
    refused: bool = False

    @property
    def run(self) -> str | None:
        """The run of its record; None for an extraction."""
        return None if self.record is None else self.record.get("run")


@dataclass(frozen=True)
class Plan:
    """The study's jobs in order, and the extractions (`first`) that must come before its missing heads."""

    jobs: tuple[Planned, ...]
    first: tuple[Job, ...]

    def of(self, state: str) -> list[Planned]:
        """The jobs in a state."""
        return [planned for planned in self.jobs if planned.state == state]

    def implied(self) -> list[Job]:
        """The extractions that the study does not list itself."""
        listed = {planned.job for planned in self.jobs}
        return [job for job in self.first if job not in listed]


def plan(jobs: Sequence[Job], context: Context, *, places: Mapping[Job, JobPlace] | None = None) -> Plan:
    """Asks the cache for every job; computes, downloads and writes nothing, and imports no torch for what is cached.

    A data set that is nowhere makes its jobs "impossible"; one that can be downloaded leaves them "missing". Raises
    `InvalidInputError` for a job that can never be right whatever the data, with its place in the file, from `places`.
    """
    asker = _Asker(context)
    with datasets.looking_once():
        planned = [asker.ask(job) for job in jobs]
        _refuse([one.job for one in planned if one.state != CACHED], context, places or {})
        planned = [asker.with_rows(one) for one in planned]
        missing = [one.job for one in planned if one.state == MISSING]
        first = dict.fromkeys(needed for job in missing if (needed := asker.needed(job)) is not None)
    return Plan(tuple(planned), tuple(first))


def _refuse(jobs: Sequence[Job], context: Context, places: Mapping[Job, JobPlace]) -> None:
    """Before an extraction is paid for whose head is refused afterwards."""
    right = functools.partial(check, workspace=context.workspace)
    for job in jobs:
        try:
            right(job)
        except InvalidInputError as error:
            place = f"{places[job].of_mistake(right)}: " if job in places else ""
            raise InvalidInputError(f"{place}{error}") from error


class _Asker:
    """Asks the cache, each extraction and each data set once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._features: dict[ExtractSpec, Planned] = {}
        self._faults: dict[tuple[str, str | None, bool], TransferBenchError | None] = {}
        self._read: dict[tuple[str, str | None], ImageSet] = {}

    def ask(self, job: Job) -> Planned:
        """The job with its state."""
        fault = self._fault(job)
        if fault is not None:
            return _impossible(job, fault)
        try:
            if job.network is not None:
                return self._network(job)
            features = self._extraction(job)
            return features if job.head is None else self._head(job, job.head, features)
        except TransferBenchError as error:
            return _impossible(job, error)

    def needed(self, job: Job) -> Job | None:
        """The extraction that must run before `job` can."""
        extraction = job if job.command == "extract" else job.extraction()
        if extraction is None or self._extraction(extraction).state == CACHED:
            return None
        return extraction

    def with_rows(self, planned: Planned) -> Planned:
        """A missing job, impossible where its data set is here and has not the images that it needs."""
        job = planned.job
        if planned.state != MISSING or not self._is_here(job):
            return planned
        try:
            _check_rows(job, self._images(job))
        except TransferBenchError as error:
            return _impossible(job, error)
        return planned

    def _images(self, job: Job) -> ImageSet:
        if job.dataset not in self._read:
            self._read[job.dataset] = datasets.load(data.located(job.data, self._context.workspace))
        return self._read[job.dataset]

    def _fault(self, job: Job) -> TransferBenchError | None:
        """Why the data set of a job cannot be had, None where it is here or can be downloaded."""
        asked = (*job.dataset, job.data.skips_bad_images)
        if asked not in self._faults:
            self._faults[asked] = self._looked_for(job)
        return self._faults[asked]

    def _looked_for(self, job: Job) -> TransferBenchError | None:
        try:
            if self._is_here(job):
                found = data.located(job.data, self._context.workspace, progress=stages.reading(self._context))
                self._context.tell(found.notices)
        except TransferBenchError as error:
            return error
        return None

    def _is_here(self, job: Job) -> bool:
        return data.is_here(job.data, self._context.workspace)

    def _network(self, job: Job) -> Planned:
        assert job.network is not None
        if not self._is_here(job):
            return Planned(job, MISSING)
        try:
            with cache.looking():
                return Planned(job, CACHED, stages.train(job.network, self._context))
        except cache.CacheMissError:
            return Planned(job, MISSING)

    def _extraction(self, job: Job) -> Planned:
        spec = job.features
        assert spec is not None
        if spec not in self._features:
            extraction = Job("extract", spec)
            self._features[spec] = (
                self._kept_features(extraction) if self._is_here(job) else Planned(extraction, MISSING)
            )
        found = self._features[spec]
        return Planned(job, found.state, found.record)

    def _kept_features(self, job: Job) -> Planned:
        assert job.features is not None
        record = stages.kept_features(job.features, self._context)
        if record is None:
            return Planned(job, MISSING)
        return Planned(job, CACHED if record["whole"] else MISSING, record)

    def _head(self, job: Job, head: HeadSpec, features: Planned) -> Planned:
        """A head is known by the digest of its features, which the cache keeps when the file is trimmed away."""
        if features.record is None:
            return Planned(job, MISSING)
        record = stages.kept_head(head, self._context, content=features.record["content"])
        return Planned(job, MISSING if record is None else CACHED, record)


def _check_rows(job: Job, images: ImageSet) -> None:
    """InvalidInputError where a job's data set has too few images: all, of a class, for a batch or validation."""
    labels = training_labels(job.data, images)
    if job.head is not None:
        fitting.check_rows(job.head, labels)
    elif (spec := job.network) is not None:
        batch_size, part = spec.whole_recipe().batch_size, spec.validation_part()
        check_training(labels, mode=spec.mode, batch_size=batch_size, part=part, seed=spec.seed)


def _impossible(job: Job, error: TransferBenchError) -> Planned:
    return Planned(job, IMPOSSIBLE, reason=str(error), refused=isinstance(error, InvalidInputError))
