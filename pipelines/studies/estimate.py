"""Estimates of missing jobs: seconds and bytes, and what they go by.

A job costs what beginning it takes, and its work over the rate of this machine. Rates come from runs that are done,
else from a short trial (`pipelines.studies.timing`), and are kept in the workspace (`pipelines.workspace.rates`); where
neither is to be had, the work's arithmetic goes by the rate of a matrix product. The constants were measured on two
Zen 4 cores by `benchmarks/estimates.py`, which says how far estimates are off.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from msgspec import structs

from extract.data.datasets import FACTS
from extract.data.images import Pixels
from extract.errors import TransferBenchError
from extract.runtime.devices import STORAGE_BYTES, resolve_precision
from finetune.recipes import MODES_WITH_HEAD, small_size
from heads.registry import space
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec, Weights, data
from pipelines.specs.data import DataSpec
from pipelines.studies.jobs import Job
from pipelines.tasks import features
from pipelines.workspace import rates
from pipelines.workspace.rates import Basis, Rate

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from extract.data.images import ImageSet
    from finetune.analysis.describe import Description

PROCESS_SECONDS = 0.8  # the interpreter's start and end, and the summary of a study
JOB_SECONDS = 0.5  # to begin a job and to write what it leaves
READ_SECONDS = 2e-5  # an image of a data set that is read whole into memory, its digest included
TRIAL_SECONDS = 20.0  # that a plan may spend on trials
LONGEST_TRIAL = 5.0  # by arithmetic: a network that would take longer is not tried
COMPILED = 0.67  # of an eager network's seconds (0.89 for resnet18, 0.67 for tf_efficientnet_lite0, in bfloat16)
COMPILE_SECONDS = 25.0  # 28 for tf_efficientnet_lite0 on two cores
EFFICIENCY = 0.25  # of the product's rate that a network reaches of which nothing is known
BACKWARD = 3.0  # a training step costs about three forward passes
TTA_VIEWS = {"none": 0, "flip": 2, "shift": 6}


@dataclass(frozen=True)
class JobCost:
    """Seconds of computing, bytes on disk, and the least sure of what the seconds go by: a `Basis`."""

    seconds: float
    byte_count: int
    basis: Basis = "run"

    def __add__(self, other: "JobCost") -> "JobCost":
        less_sure = max(self, other, key=lambda cost: get_args(Basis).index(cost.basis))
        return JobCost(self.seconds + other.seconds, self.byte_count + other.byte_count, less_sure.basis)


class Estimator:
    """Estimates jobs on a device, with what a workspace has learned about this machine.

    `jobs` are those of the plan: the weights of one may be another's, which is no run yet.
    """

    def __init__(self, workspace: Path, *, device: str, jobs: Iterable[Job] = ()) -> None:
        self._workspace, self._device = workspace, device
        self._trainings = {job.digest(): job.network for job in jobs if job.network is not None}
        self._rates = rates.known(workspace)
        self._data: dict[object, ImageSet] = {}
        self._trial_seconds = 0.0
        self._efficiencies: list[float] = []  # of this plan's networks, as EFFICIENCY

    def of(self, job: Job) -> JobCost | None:
        """The cost of a job without that of its extraction; None where the network cannot be sized."""
        try:
            if job.network is not None:
                return self._network(job.network)
            if job.head is not None:
                return self._head(job.head, job.extract_spec)
            return self._extraction(job.extract_spec)
        except TransferBenchError:
            return None

    def _extraction(self, spec: ExtractSpec) -> JobCost:
        from extract.features import engines

        train, test, _ = self._images(spec)
        backbone, views = self._backbone(spec), 2 if spec.views == "flip" else 1
        image_count = (train + test) * views
        size = backbone.preprocessing.image_size
        precision = resolve_precision(spec.precision, self._device)
        how = {"network": backbone.module, "precision": precision, "image_count": image_count, "image_size": size}
        engine, _ = engines.choose_engine(spec.inference, **how, device=self._device)
        rate = self._embedding(spec, backbone, engine)
        seconds = self._beginning(spec) + rate.begin + image_count * rate.seconds
        stored = image_count * backbone.dimension * STORAGE_BYTES[spec.storage]
        return JobCost(seconds, stored + 64 * (train + test), rate.basis)

    def _head(self, head: HeadSpec, spec: ExtractSpec) -> JobCost:
        train, test, classes = self._images(spec)
        width, views = self._backbone(spec).dimension, 2 if spec.views == "flip" else 1
        options = space(head.head, head.options)
        operations = options.operations(train * views, scored=test * views, width=width, classes=classes)
        rate = self._rates.get(rates.work("head", head.head))
        if rate is None:
            rate = Rate(seconds=self._product_seconds, basis="arithmetic")
        stored = 4 * classes * (width + test) + 8 * test
        if options.keeps_rows:
            stored += train * width * STORAGE_BYTES[spec.storage] * views
        seconds = JOB_SECONDS + options.fixed_seconds + operations * rate.seconds
        return JobCost(seconds, stored, rate.basis)

    def _network(self, spec: NetworkSpec) -> JobCost:
        from heads import training_sample

        train, test, classes = self._images(spec)
        described = self._described(spec)
        recipe, held = spec.resolved_recipe(), _held(spec, train)
        trained, scored = self._training(spec, described)
        sample = len(training_sample(train - held))
        fits = [train - held, train] if spec.refit else [train - held]
        epochs = 0 if spec.mode == "frozen" else recipe.epochs
        steps = sum(rows // recipe.batch_size * recipe.batch_size for rows in fits)
        small_area = (small_size(described.image_size) / described.image_size) ** 2
        steps_seconds = epochs * steps * (1 - recipe.small_share * (1 - small_area)) * trained.seconds
        after_epochs = epochs * (len(fits) * sample + held)
        views = test * (1 + TTA_VIEWS[recipe.tta]) + held + len(fits) * sample
        seconds = self._beginning(spec) + steps_seconds + (len(fits) * trained.begin if epochs else 0.0)
        seconds += (after_epochs + views) * scored.seconds
        seconds += (train + test) * self._decoding(spec, described.image_size)
        stored = 4 * described.parameters + 4 * classes * test + 8 * test
        cost = JobCost(seconds, stored, trained.basis)
        return cost + self._fitted_start(spec) if spec.mode in MODES_WITH_HEAD else cost

    def _fitted_start(self, spec: NetworkSpec) -> JobCost:
        """The features and the logistic head that a network starts from."""
        precision = spec.resolved_recipe().precision
        own = ExtractSpec(
            backbone=spec.network, weights="untrained", precision=precision, storage="float32", **spec.part(DataSpec)
        )
        return self._extraction(own) + self._head(HeadSpec(), own)

    def _beginning(self, spec: DataSpec) -> float:
        """Seconds until the images are in reach: all of a data set in memory, whatever part of it is used."""
        return JOB_SECONDS + (READ_SECONDS * sum(self._counted(spec)[:2]) if spec.dataset in FACTS else 0.0)

    def _embedding(self, spec: ExtractSpec, backbone: "Backbone", engine: str) -> Rate:
        """Seconds of an image that is decoded, where it is a file, and goes through a network by an engine."""
        from pipelines.studies import timing

        precision, rows = resolve_precision(spec.precision, self._device), spec.resolved_batch_size(self._device)
        side = FACTS[spec.dataset].side if spec.dataset in FACTS else 0
        listed = None if side else self._listed(spec)
        source = "" if listed is None or isinstance(listed.splits["train"].images, Pixels) else listed.name
        of = {"precision": precision, "rows": rows}
        if (known := self._rates.get(rates.extraction(backbone, **of, engine=engine, source=source))) is not None:
            return known
        tried = "eager" if engine == "compiled" else engine  # to compile takes too long for a trial
        name = rates.extraction(backbone, **of, engine=tried, source="")

        def trial() -> dict[str, Rate]:
            return {name: timing.embedding(backbone, engine=tried, side=side, device=self._device, **of)}

        found = self._tried(name, flops=backbone.flops, rows=rows, trial=trial)
        if engine == "compiled":
            found = Rate(seconds=COMPILED * found.seconds, begin=COMPILE_SECONDS, basis=found.basis)
        decoded = self._decoding(spec, backbone.preprocessing.image_size[0])
        return structs.replace(found, seconds=found.seconds + decoded)

    def _training(self, spec: NetworkSpec, described: "Description") -> tuple[Rate, Rate]:
        """Seconds of an image that is trained on, and of one that is scored."""
        from pipelines.studies import timing

        recipe, size = spec.resolved_recipe(), described.image_size
        precision = resolve_precision(recipe.precision, self._device)
        of = {"size": size, "rows": recipe.batch_size, "precision": precision, "stages": spec.trained_stages()}
        named = functools.partial(rates.training, network=spec.network, options=spec.architecture(), **of)
        names = {part: named(part) for part in ("trained", "scored")}
        flops = BACKWARD * 2 * described.macs
        expected = EFFICIENCY / (flops * self._product_seconds)

        def trial() -> dict[str, Rate]:
            given = {"classes": described.n_classes, "image_size": size, "device": self._device}
            found = timing.training(spec, expected=expected, **given)
            return {names[part]: rate for part, rate in found.items()}

        trained = self._tried(names["trained"], flops=flops, rows=timing.FEWEST_TIMED, trial=trial)
        scored = self._rates.get(names["scored"], Rate(seconds=trained.seconds / BACKWARD, basis=trained.basis))
        return trained, scored

    def _decoding(self, spec: DataSpec, size: int) -> float:
        """Seconds of a file that is decoded to a `size`; none of an image in memory."""
        if spec.dataset in FACTS or isinstance(self._listed(spec).splits["train"].images, Pixels):
            return 0.0
        from pipelines.studies import timing

        name = rates.work("decode", self._listed(spec).name, size, "px")
        if name not in self._rates:
            self._keep({name: timing.decoding(self._listed(spec), size=size)})
        return self._rates[name].seconds

    def _tried(self, name: str, *, flops: float, rows: int, trial: Callable[[], Mapping[str, Rate]]) -> Rate:
        """The rate `name`: known, or found by a trial where that is short and time is left, else by arithmetic."""
        usual = self._product_seconds / statistics.median(self._efficiencies or [EFFICIENCY])
        if name not in self._rates and self._trial_seconds < TRIAL_SECONDS and rows * flops * usual < LONGEST_TRIAL:
            begun = time.perf_counter()
            self._keep(trial())
            self._trial_seconds += time.perf_counter() - begun
        found = self._rates.get(name)
        if found is None:
            return Rate(seconds=flops * usual, basis="arithmetic")
        self._efficiencies.append(flops * self._product_seconds / found.seconds)
        return found

    @functools.cached_property
    def _product_seconds(self) -> float:
        """Seconds of an operation in a matrix product: the least that any plan here has seen."""
        from pipelines.studies import timing

        name, found = rates.work("product", self._device), 1 / timing.product_rate(self._device)
        if name not in self._rates or found < self._rates[name].seconds:
            self._keep({name: Rate(seconds=found)})
        return self._rates[name].seconds

    def _keep(self, found: Mapping[str, Rate]) -> None:
        self._rates |= found
        rates.keep(self._workspace, found)

    def _described(self, spec: NetworkSpec) -> "Description":
        size = spec.image_size or (FACTS[spec.dataset].side if spec.dataset in FACTS else None)
        return _description(spec.network, self._images(spec)[2], size, tuple(spec.architecture().items()))

    def _backbone(self, spec: ExtractSpec) -> "Backbone":
        shape = {"pool": spec.pool, "layers": spec.layer_indices()}
        if (training := self._trainings.get(spec.weights)) is not None:
            return _awaited(training, image_size=spec.image_size or self._described(training).image_size, **shape)
        folder = Weights.find(spec.weights, self._workspace).run_folder
        return _loaded(spec.backbone, folder, image_size=spec.image_size, **shape)

    def _images(self, spec: ExtractSpec | NetworkSpec) -> tuple[int, int, int]:
        """(training images, test images, classes) that a run will read, by the walk that it makes; bad images count."""
        train, test, classes = self._counted(spec)
        return *spec.counts(train=train, test=test), classes

    def _counted(self, spec: DataSpec) -> tuple[int, int, int]:
        """As `_images`, before a part is drawn; of classes that are chosen, their share where the data are here."""
        if (known := FACTS.get(spec.dataset)) is not None:
            counts = known.train_count, known.test_count, known.n_classes
        else:
            listed = self._listed(spec)
            counts = len(listed.splits["train"]), len(listed.splits["test"]), len(listed.class_names)
        if (spec.classes, spec.exclude_classes) == (None, None) or not data.is_here(spec, self._workspace):
            return counts
        train, test, classes = counts
        used = len(data.located(spec, self._workspace).classes or range(classes))
        return train * used // classes, test * used // classes, used

    def _listed(self, spec: DataSpec) -> "ImageSet":
        key = (spec.dataset, spec.labels, spec.columns)
        if key not in self._data:
            self._data[key] = data.listed(spec, self._workspace)
        return self._data[key]


def _held(spec: NetworkSpec, train: int) -> int:
    """Images of the training split that validation holds back."""
    part = spec.validation_part() or 0
    return round(part * train) if isinstance(part, float) else part


@functools.lru_cache(maxsize=64)
def _description(
    network: str, classes: int, size: int | None, options: tuple[tuple[str, object], ...]
) -> "Description":
    from finetune.analysis.describe import describe

    return describe(network, n_classes=classes, image_size=size, options=dict(options))


@functools.lru_cache(maxsize=64)
def _loaded(name: str, folder: Path | None, **shape: Any) -> "Backbone":
    return features.loaded(name, "untrained", folder=folder, seed=0, shape=shape)


@functools.lru_cache(maxsize=64)
def _awaited(training: NetworkSpec, *, image_size: int, pool: str, layers: tuple[int, ...] | None) -> "Backbone":
    """The backbone that a training is going to make."""
    from extract.backbones import frozen
    from finetune.architectures import networks
    from pipelines.training.pixels import plain_preprocessing

    name, options = training.network, training.architecture()
    network = networks.embedding(networks.build(name, n_classes=2, image_size=image_size, options=options))
    return frozen.frozen(network, name=name, pool=pool, layers=layers, preprocessing=plain_preprocessing(image_size))
