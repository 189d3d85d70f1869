"""Estimates of missing jobs: seconds and bytes, from the work of each and the rate that this machine has shown.

The work is counted (FLOPs of the network times images); the rate is the median of what the workspace's own
runs reached, or, in an empty workspace, a cautious guess for this kind of machine. Right within a factor of
two or three, which is what a decision to start tonight or now needs.
"""

import functools
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extract.data import datasets, folder
from extract.data.datasets import FACTS
from extract.errors import TransferBenchError
from extract.runtime.machine import processor_has_bfloat16, thread_count
from heads.registry import space_class
from pipelines.specs import ExtractSpec, NetworkSpec
from pipelines.studies.jobs import Job
from pipelines.workspace import extractions, records
from pipelines.workspace.record import DoneRecord

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from finetune.analysis.describe import Description

CORE_RATE = 25e9  # FLOP a second of one core in float32 (measured: 24e9 with AVX2, 53e9 with AMX, eager)
BF16_GAIN = 4.0
GPU_RATE = 30e12
JOB_SECONDS = 1.5  # to begin a job, load its data and network, and write what it leaves (1 to 3 on two cores)
TIMING_SECONDS = 15.0  # that a plan may spend on timing networks
SMALL_AREA = 0.5625  # of images at three quarters of their side, which some recipes begin with
BACKWARD = 3.0  # a training step costs about three forward passes
STORAGE_BYTES = {"float16": 2, "float32": 4}


@dataclass(frozen=True)
class JobCost:
    """Seconds of computing and bytes on disk."""

    seconds: float
    byte_count: int


class Estimator:
    """Estimates jobs on a device, with what a workspace has learned about it."""

    def __init__(self, workspace: Path, *, device: str) -> None:
        done = [one for one in records.read_all(workspace)[0] if isinstance(one, DoneRecord)]
        self._heads = [one for one in done if one.kind == "head"]
        self._networks = [one for one in done if one.kind == "network"]
        self._device = device
        guess = GPU_RATE if device.startswith("cuda") else thread_count() * CORE_RATE
        guess *= BF16_GAIN if device == "cpu" and processor_has_bfloat16() else 1
        noted = extractions.find_all(workspace, notice=lambda _: None)  # none must fail for a damaged note
        self._extraction_rate = _median(((one.images_per_second or 0.0) * one.flops for one in noted), guess)
        self._training_rate = _median(_training_rates(self._networks), guess)
        self._counts: dict[str, tuple[int, int, int]] = {}
        self._timed: dict[tuple[object, ...], float] = {}
        self._timing_seconds = 0.0

    def of(self, job: Job) -> JobCost | None:
        """The cost of a job without that of its extraction; None where the network cannot be sized."""
        try:
            if job.network is not None:
                return self._network(job.network)
            if job.head is not None:
                return self._head(job.head.head, job.extract_spec)
            return self._extraction(job.extract_spec)
        except TransferBenchError:
            return None

    def _extraction(self, spec: ExtractSpec) -> JobCost:
        train, test, _ = self._images(spec)
        backbone = _backbone(spec.backbone, spec.image_size, spec.pool, spec.layer_indices())
        images = (train + test) * (2 if spec.views == "flip" else 1)
        stored = images * backbone.dimension * STORAGE_BYTES[spec.storage]
        return JobCost(JOB_SECONDS + images * backbone.flops / self._extraction_rate, stored + 64 * (train + test))

    def _head(self, head: str, spec: ExtractSpec) -> JobCost:
        train, test, classes = self._images(spec)
        width = _backbone(spec.backbone, spec.image_size, spec.pool, spec.layer_indices()).dimension
        space = space_class(head)
        seconds = _median(_row_seconds(self._heads, head), space.row_seconds) * train * space.growth(train)
        stored = 4 * classes * (width + test) + 8 * test
        if space.keeps_rows:
            stored += train * width * STORAGE_BYTES[spec.storage] * (2 if spec.views == "flip" else 1)
        return JobCost(JOB_SECONDS + seconds, stored)

    def _network(self, spec: NetworkSpec) -> JobCost:
        train, test, classes = self._images(spec)
        size = spec.image_size or (FACTS[spec.dataset].side if spec.dataset in FACTS else None)
        described = _description(spec.network, classes, size, tuple(spec.architecture().items()))
        recipe = spec.resolved_recipe()
        epochs = 1 if spec.mode == "frozen" else recipe.epochs * (1 - recipe.small_share * (1 - SMALL_AREA))
        forward = 2 * described.macs / self._steps_rate(spec, described)  # seconds an image
        seconds = forward * ((BACKWARD * train * epochs) * (2 if spec.refit else 1) + test)
        return JobCost(JOB_SECONDS + seconds, 4 * described.parameters + 4 * classes * test + 8 * test)

    def _steps_rate(self, spec: NetworkSpec, described: "Description") -> float:
        """FLOP a second of training: what runs of this network reached, else what a few steps reach.

        Each network is timed once, until `TIMING_SECONDS` are spent: then the rate of the others stands for it, as it
        does for one whose steps alone would take that long.
        """
        own = [one for one in self._networks if one.flops == 2 * described.macs]
        if own or spec.mode == "frozen":
            return _median(_training_rates(own), self._training_rate)
        key = (spec.network, described.image_size, repr(spec.architecture()), spec.mode)
        if key not in self._timed and self._timing_seconds < TIMING_SECONDS:
            self._timed[key] = self._time(spec, described)
        return self._timed.get(key) or _median(self._timed.values(), self._training_rate)

    def _time(self, spec: NetworkSpec, described: "Description") -> float:
        from pipelines.studies import timing

        begun, work = time.perf_counter(), BACKWARD * 2 * described.macs
        expected = self._training_rate / work
        if timing.FEWEST_TIMED / expected > TIMING_SECONDS:
            return 0.0
        size, classes = described.image_size, described.class_count
        found = timing.training_rate(spec, classes=classes, image_size=size, device=self._device, expected=expected)
        self._timing_seconds += time.perf_counter() - begun
        return 0.0 if found is None else found * work

    def _images(self, spec: ExtractSpec | NetworkSpec) -> tuple[int, int, int]:
        """(training images, test images, classes) that a run will read, by the walk that it makes; bad images count."""
        if spec.dataset not in self._counts:
            root, known = datasets.root_of(spec.dataset), FACTS.get(spec.dataset)
            if root is not None:
                self._counts[spec.dataset] = folder.counts(root)
            elif known is not None:
                self._counts[spec.dataset] = known.train_count, known.test_count, known.class_count
        train, test, classes = self._counts[spec.dataset]
        return *spec.counts(train=train, test=test), classes


@functools.lru_cache(maxsize=64)
def _description(
    network: str, classes: int, size: int | None, options: tuple[tuple[str, object], ...]
) -> "Description":
    from finetune.analysis.describe import describe

    return describe(network, class_count=classes, image_size=size, options=dict(options))


@functools.lru_cache(maxsize=64)
def _backbone(name: str, image_size: int | None, pool: str, layers: tuple[int, ...] | None) -> "Backbone":
    from extract.backbones import frozen

    return frozen.load(name, weights="untrained", image_size=image_size, pool=pool, layers=layers, seed=0)


def _training_rates(done: Iterable[DoneRecord]) -> Iterable[float]:
    return (BACKWARD * one.flops * (one.images_per_second or 0.0) for one in done)


def _row_seconds(done: Iterable[DoneRecord], head: str) -> Iterable[float]:
    """Seconds a training row that heads of this kind took to choose and fit, as if with `MEASURED_ROWS`."""
    for one in done:
        if one.head == head:
            seconds = sum(one.seconds.get(part) or 0.0 for part in ("search", "fit"))
            rows = max(one.choice.training_rows, 1)
            yield seconds / (rows * space_class(head).growth(rows))


def _median(values: Iterable[float], otherwise: float) -> float:
    positive = [value for value in values if value > 0]
    return statistics.median(positive) if positive else otherwise
