"""What a missing job will take: seconds and bytes, from the work it is and the rate that this machine has shown.

The work is counted (FLOPs of the network times images); the rate is the median of what the workspace's own
runs reached, or, in an empty workspace, a cautious guess for this kind of machine. Right within a factor of
two or three, which is what a decision to start tonight or now needs.
"""

import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.data import datasets, folder
from extract.data.datasets import FACTS
from extract.errors import TransferBenchError
from extract.runtime.machine import processor_has_bfloat16, thread_count
from pipelines.specs import ExtractSpec, NetworkSpec
from pipelines.studies.jobs import Job
from pipelines.tasks import provenance
from pipelines.workspace import records

CORE_RATE = 25e9  # FLOP a second of one core in float32 (measured: 24e9 with AVX2, 53e9 with AMX, eager)
BF16_GAIN = 4.0
GPU_RATE = 30e12
JOB_SECONDS = 1.5  # to begin a job, load its data and network, and write what it leaves (1 to 3 on two cores)
TIMING_SECONDS = 15.0  # that a plan may spend on timing networks
SMALL_AREA = 0.5625  # of images at three quarters of their side, which some recipes begin with
BACKWARD = 3.0  # a training step costs about three forward passes
# Choosing and fitting a head of 1280 features, a training row (measured with 50,000 on two cores with AVX2).
HEAD_ROW_SECONDS = {
    "logistic": 7e-4,
    "linear": 4e-4,
    "mlp": 9e-3,
    "knn": 7e-4,
    "ridge": 2e-4,
    "kernel": 2.4e-2,
    "centroid": 1e-4,
}
MEASURED_ROWS = 50_000
GROWING = ("kernel",)  # whose time a row grows with the rows
KEEPING = ("knn", "kernel")  # whose weights are the training rows
STORAGE_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True)
class Cost:
    """Seconds of computing and bytes on disk."""

    seconds: float
    byte_count: int


@dataclass(frozen=True)
class Rows:
    """Images of the splits and classes of a data set, after subsetting."""

    train: int
    test: int
    classes: int


class Estimator:
    """Estimates jobs on a device, with what a workspace has learned about it."""

    def __init__(self, workspace: Path, *, device: str) -> None:
        self._records = [one for one in records.read_all(workspace)[0] if one["status"] == "done"]
        self._guess = GPU_RATE if device.startswith("cuda") else thread_count() * CORE_RATE
        if device == "cpu" and processor_has_bfloat16():
            self._guess *= BF16_GAIN
        self._extraction_rate = _median(_extraction_rates(workspace), self._guess)
        self._training_rate = _median(_training_rates(self._records), self._guess)
        self._device = device
        self._sizes: dict[tuple[Any, ...], Any] = {}
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._timed: dict[tuple[Any, ...], float] = {}
        self._timing_seconds = 0.0

    def of(self, job: Job) -> Cost | None:
        """The cost of a job without that of its extraction; None where the network cannot be sized."""
        try:
            if job.network is not None:
                return self._network(job.network)
            assert job.features is not None
            return self._extraction(job.features) if job.head is None else self._head(job.head.head, job.features)
        except TransferBenchError:
            return None

    def _extraction(self, spec: ExtractSpec) -> Cost:
        rows, backbone = self._rows(spec), self._backbone(spec)
        images = (rows.train + rows.test) * (2 if spec.views == "flip" else 1)
        stored = images * backbone.dimension * STORAGE_BYTES[spec.storage]
        seconds = JOB_SECONDS + images * backbone.flops / self._extraction_rate
        return Cost(seconds, stored + 64 * (rows.train + rows.test))

    def _head(self, head: str, features: ExtractSpec) -> Cost:
        rows, width = self._rows(features), self._backbone(features).dimension
        row_seconds = _median(_row_seconds(self._records, head), HEAD_ROW_SECONDS[head])
        kept = 0
        if head in KEEPING:
            kept = rows.train * width * STORAGE_BYTES[features.storage] * (2 if features.views == "flip" else 1)
        stored = kept + 4 * rows.classes * (width + rows.test) + 8 * rows.test
        return Cost(JOB_SECONDS + row_seconds * rows.train * _growth(head, rows.train), stored)

    def _network(self, spec: NetworkSpec) -> Cost:
        rows = self._rows(spec)
        described = self._described(spec, rows.classes)
        recipe = spec.whole_recipe()
        epochs = 1 if spec.mode == "frozen" else recipe.epochs * (1 - recipe.small_share * (1 - SMALL_AREA))
        forward = 2 * described.macs / self._steps_rate(spec, described, rows.classes)  # seconds an image
        seconds = forward * ((BACKWARD * rows.train * epochs) * (2 if spec.refit else 1) + rows.test)
        stored = 4 * described.parameters + 4 * rows.classes * rows.test + 8 * rows.test
        return Cost(JOB_SECONDS + seconds, stored)

    def _steps_rate(self, spec: NetworkSpec, described: Any, classes: int) -> float:
        """FLOP a second of training: what runs of this network reached, else what a few steps reach.

        Each network is timed once, until `TIMING_SECONDS` are spent: then the rate of the others stands for it, as it
        does for one whose steps alone would take that long.
        """
        flops = 2 * described.macs
        own = [one for one in self._records if one["kind"] == "network" and one.get("flops") == flops]
        if own or spec.mode == "frozen":
            return _median(_training_rates(own), self._training_rate)
        key = (spec.network, described.image_size, repr(spec.architecture()), spec.mode)
        if key not in self._timed and self._timing_seconds < TIMING_SECONDS:
            self._timed[key] = self._time(spec, described, classes)
        return self._timed.get(key) or _median(self._timed.values(), self._training_rate)

    def _time(self, spec: NetworkSpec, described: Any, classes: int) -> float:
        from pipelines.studies.timing import FEWEST_TIMED, training_rate

        begun, work = time.perf_counter(), BACKWARD * 2 * described.macs
        size, expected = described.image_size, self._training_rate / work
        if FEWEST_TIMED / expected > TIMING_SECONDS:
            return 0.0
        found = training_rate(spec, classes=classes, image_size=size, device=self._device, expected=expected)
        self._timing_seconds += time.perf_counter() - begun
        return 0.0 if found is None else found * work

    def _rows(self, spec: ExtractSpec | NetworkSpec) -> Rows:
        """What a run will read, by the walk that the run itself makes; bad images count."""
        if spec.dataset not in self._counts:
            root, known = datasets.root_of(spec.dataset), FACTS.get(spec.dataset)
            if root is not None:
                self._counts[spec.dataset] = folder.counts(root)
            elif known is not None:
                self._counts[spec.dataset] = known.train_count, known.test_count, known.class_count
        train, test, classes = self._counts[spec.dataset]
        return Rows(*spec.counts(train=train, test=test), classes)

    def _described(self, spec: NetworkSpec, classes: int) -> Any:
        from finetune.analysis.describe import describe

        size = spec.image_size or (FACTS[spec.dataset].side if spec.dataset in FACTS else None)
        key = (spec.network, size, classes, repr(spec.architecture()))
        if key not in self._sizes:
            self._sizes[key] = describe(spec.network, class_count=classes, image_size=size, options=spec.architecture())
        return self._sizes[key]

    def _backbone(self, spec: ExtractSpec) -> Any:
        from extract.backbones import frozen

        key = (spec.backbone, spec.image_size, spec.pool, spec.layers)
        if key not in self._sizes:
            self._sizes[key] = frozen.load(
                spec.backbone,
                weights="untrained",
                image_size=spec.image_size,
                pool=spec.pool,
                layers=spec.layer_indices(),
                seed=0,
            )
        return self._sizes[key]


def _extraction_rates(workspace: Path) -> Iterable[float]:
    """FLOP a second of the extractions that the workspace remembers."""
    for noted in provenance.every(workspace, notice=lambda _: None):  # an estimate must not fail for a damaged note
        yield (noted.images_per_second or 0.0) * noted.flops


def _training_rates(done: list[dict[str, Any]]) -> Iterable[float]:
    return (BACKWARD * one["flops"] * (one.get("images_per_second") or 0.0) for one in done if one["kind"] == "network")


def _row_seconds(done: list[dict[str, Any]], head: str) -> Iterable[float]:
    """Seconds a training row that heads of this kind took to choose and fit, had there been `MEASURED_ROWS`."""
    for one in done:
        if one["kind"] == "head" and one.get("head") == head:
            seconds = sum(one["seconds"].get(part) or 0.0 for part in ("search", "fit"))
            rows = max((one.get("choice") or {}).get("training_rows") or 0, 1)
            yield seconds / (rows * _growth(head, rows))


def _growth(head: str, rows: int) -> float:
    """By how much a row costs more than with `MEASURED_ROWS`."""
    return rows / MEASURED_ROWS if head in GROWING else 1.0


def _median(values: Iterable[float], otherwise: float) -> float:
    positive = [value for value in values if value > 0]
    return statistics.median(positive) if positive else otherwise
