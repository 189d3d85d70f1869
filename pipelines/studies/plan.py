"""The plan of a study: the state of every job in the cache, and the extractions that missing heads wait for."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from extract.data import datasets
from extract.data.images import ImageSet
from extract.errors import InvalidInputError, TransferBenchError
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec, Weights, data
from pipelines.studies.crossing import JobPlace
from pipelines.studies.jobs import ABLATE, Job
from pipelines.studies.worker import JobResult
from pipelines.tasks import fit_head
from pipelines.tasks.extract import kept_features
from pipelines.tasks.features import is_intact
from pipelines.tasks.train import train
from pipelines.tasks.validate import validated
from pipelines.training.images import check_training, training_split
from pipelines.workspace import cache
from pipelines.workspace.context import Context

CACHED, MISSING, IMPOSSIBLE = "cached", "missing", "impossible"


@dataclass(frozen=True)
class Planned:
    """A job and its state: "cached" with the `run` of its record, "missing", or "impossible" with the reason.

    `content` is the digest of what is known of an extraction's features, whose file may be gone. `refused` says that
    the reason is the user's mistake, not something that is out of reach just now.
    """

    job: Job
    state: str
    run: str | None = None
    content: str | None = None
    reason: str = ""
    refused: bool = False


@dataclass(frozen=True)
class Plan:
    """The study's jobs in order, and the extractions (`first`) that must come before its missing heads.

    Jobs that begin with trainings that are `awaited`, by their digests, have no lasting digest yet.
    """

    jobs: tuple[Planned, ...]
    first: tuple[Job, ...]
    awaited: frozenset[str] = frozenset()

    def of(self, state: str) -> list[Planned]:
        """The jobs in a state."""
        return [planned for planned in self.jobs if planned.state == state]

    def beside(self, other: "Plan") -> "Plan":
        """The jobs of both, and the extractions."""
        return Plan((*self.jobs, *other.jobs), tuple(dict.fromkeys((*self.first, *other.first))))

    def implied(self) -> list[Job]:
        """The extractions that the study does not list itself."""
        listed = {planned.job for planned in self.jobs}
        return [job for job in self.first if job not in listed]


def plan(
    jobs: Sequence[Job],
    context: Context,
    *,
    places: Mapping[Job, JobPlace] | None = None,
    awaited: Mapping[str, JobResult | None] | None = None,
) -> Plan:
    """Asks the cache for every job; computes, downloads and writes nothing, and imports no torch for what is cached.

    A data set that is nowhere makes its jobs "impossible"; one that can be downloaded leaves them "missing". Raises
    `InvalidInputError` for a job that can never be right whatever the data, with its place in the file, from `places`.
    `awaited` (digest -> None, or the failure) are trainings that are no runs, by whose digests jobs name their weights.
    """
    planner = _Planner(context, awaited or {})
    with datasets.looking_once():
        planned = [planner.ask(job) for job in jobs]
        _refuse([one.job for one in planned if one.state != CACHED], context.workspace, places or {})
        planned = [planner.with_rows(one) for one in planned]
        needed = [planner.needed(one.job) for one in planned if one.state == MISSING]
    first = dict.fromkeys(job for job in needed if job is not None)
    return Plan(tuple(planned), tuple(first), frozenset(awaited or ()))


def settled(plan: Plan) -> dict[Job, JobResult]:
    """The results of the jobs that are not missing, in their order."""
    found = {}
    for one in plan.jobs:
        if one.state == CACHED:
            found[one.job] = JobResult(CACHED, one.run)
        elif one.state == IMPOSSIBLE:
            found[one.job] = JobResult("failed", error=one.reason, refused=one.refused)
    return found


def _refuse(jobs: Sequence[Job], workspace: Path, places: Mapping[Job, JobPlace]) -> None:
    """Before an extraction is paid for whose head is refused afterwards."""
    right = functools.partial(check, workspace=workspace)
    for job in jobs:
        try:
            right(job)
        except InvalidInputError as error:
            place = f"{places[job].of_mistake(error, right)}: " if job in places else ""
            raise InvalidInputError(f"{place}{error}") from error


def check(job: Job, *, workspace: Path) -> None:
    """Raises `InvalidInputError` for a job that can never be right, before anything is computed for it.

    What own weights in the `workspace` hold is known to the job alone. Imports torch.
    """
    if job.network is not None:
        from pipelines.training import network

        network.check(job.network, own_weights=_are_own(str(job.network.weights), workspace))
    if job.features is not None and not _are_own(job.features.weights, workspace):
        _check_backbone(job.features.backbone, job.features.image_size, job.features.pool, job.features.layers)
    if job.head is not None:
        fit_head.check(job.head)


def _are_own(weights: str, workspace: Path) -> bool:
    """True for the weights of a run, if only of one that another job has yet to make."""
    try:
        return Weights.find(weights, workspace).run_folder is not None
    except InvalidInputError:
        return True


@functools.lru_cache(maxsize=1024)
def _check_backbone(name: str, image_size: int | None, pool: str, layers: str | None) -> None:
    from extract.backbones import frozen

    frozen.check(name, image_size=image_size, pool=pool, layers=ExtractSpec(layers=layers).layer_indices())


class _Planner:
    """Asks the cache, each extraction and each data set once."""

    def __init__(self, context: Context, awaited: Mapping[str, JobResult | None]) -> None:
        self._context, self._awaited = context, awaited
        self._features: dict[ExtractSpec, Planned] = {}
        self._faults: dict[object, TransferBenchError | None] = {}
        self._images: dict[object, ImageSet] = {}

    def ask(self, job: Job) -> Planned:
        """The job with its state."""
        fault = self._fault(job)
        if fault is not None:
            return _impossible(job, fault)
        if (failed := self._awaited.get(job.weights)) is not None:
            return Planned(job, IMPOSSIBLE, reason=f"its weights failed: {failed.error}", refused=failed.refused)
        try:
            if job.network is not None:
                return self._network(job, job.network)
            features = self._extraction(job, job.extract_spec)
            return features if job.head is None else self._head(job, job.head, features)
        except TransferBenchError as error:
            return _impossible(job, error)

    def needed(self, job: Job) -> Job | None:
        """The extraction that must run before `job` can."""
        extraction = job if job.command == "extract" else job.extraction()
        if extraction is None or self._extraction(extraction, extraction.extract_spec).state == CACHED:
            return None
        return extraction

    def with_rows(self, planned: Planned) -> Planned:
        """A missing job, impossible where its data set is here and has not the images that it needs."""
        job = planned.job
        if planned.state != MISSING or not self._is_here(job):
            return planned
        try:
            if job.dataset not in self._images:
                self._images[job.dataset] = datasets.load(data.located(job.data, self._context.workspace))
            _check_rows(job, self._images[job.dataset])
        except TransferBenchError as error:
            return _impossible(job, error)
        return planned

    def _fault(self, job: Job) -> TransferBenchError | None:
        """The reason why the data set of a job is out of reach; None where it is here or can be downloaded."""
        key = (*job.dataset, job.data.skips_bad_images)
        if key not in self._faults:
            self._faults[key] = None
            try:
                if self._is_here(job):
                    found = data.located(job.data, self._context.workspace, progress=self._context.reading)
                    self._context.tell(found.notices)
            except TransferBenchError as error:
                self._faults[key] = error
        return self._faults[key]

    def _is_here(self, job: Job) -> bool:
        return data.is_here(job.data, self._context.workspace)

    def _may_be_kept(self, job: Job) -> bool:
        """Whether the cache can be asked for a job: its data set is here, and its weights."""
        return job.weights not in self._awaited and self._is_here(job)

    def _network(self, job: Job, spec: NetworkSpec) -> Planned:
        if not self._may_be_kept(job):
            return Planned(job, MISSING)
        task = validated if job.command == ABLATE else train
        try:
            with cache.looking():
                return Planned(job, CACHED, task(spec, self._context).record.run)
        except cache.CacheMissError:
            return Planned(job, MISSING)

    def _extraction(self, job: Job, spec: ExtractSpec) -> Planned:
        if spec not in self._features:
            found = kept_features(spec, self._context) if self._may_be_kept(job) else None
            state = CACHED if found is not None and is_intact(found.record, self._context.workspace) else MISSING
            self._features[spec] = Planned(job, state, content=None if found is None else found.record.content)
        return replace(self._features[spec], job=job)

    def _head(self, job: Job, head: HeadSpec, features: Planned) -> Planned:
        """A head is known by the digest of its features, which the cache keeps when the file is trimmed away."""
        if features.content is None:
            return Planned(job, MISSING)
        found = fit_head.kept_head(head, self._context, content=features.content)
        return Planned(job, MISSING) if found is None else Planned(job, CACHED, found.record.run)


def _check_rows(job: Job, images: ImageSet) -> None:
    """InvalidInputError where a job's data set has too few images: all, of a class, for a batch or validation."""
    split = training_split(job.data, images)
    if job.head is not None:
        fit_head.check_rows(job.head, split.labels, split.groups)
    elif (spec := job.network) is not None:
        batch_size, part = spec.resolved_recipe().batch_size, spec.validation_part()
        check_training(split, mode=spec.mode, batch_size=batch_size, part=part, seed=spec.seed)


def _impossible(job: Job, error: TransferBenchError) -> Planned:
    return Planned(job, IMPOSSIBLE, reason=str(error), refused=isinstance(error, InvalidInputError))
