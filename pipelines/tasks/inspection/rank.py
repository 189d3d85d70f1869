"""Backbones -> a ranking on a subset of the training images: LogME, H-score, a short linear probe, and the cost."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from extract.data.datasets import load
from extract.errors import InvalidInputError
from extract.features.layout import canonical_json
from pipelines.specs import ExtractSpec, locate
from pipelines.specs.extraction import check
from pipelines.tasks.extract import pinned_features
from pipelines.workspace import naming, records, stored
from pipelines.workspace.context import Context
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

if TYPE_CHECKING:
    from extract.features.store import SplitFeatures
    from pipelines.workspace.cache import StageResult
    from pipelines.workspace.extractions import Extraction


@dataclass(frozen=True)
class _Probed:
    """A backbone's features on the subset: their record, both scores, on which the probe is right, bool [N]."""

    spec: ExtractSpec
    record: "Extraction"
    logme: float
    h_score: float
    correct: np.ndarray


def rank(specs: Sequence[ExtractSpec], *, rows: int, context: Context) -> RankingResult:
    """Rank the backbones of `specs`, which differ in nothing else, on `rows` training images; kept for the report.

    No test image is scored. Raises `InvalidInputError` for fewer than two backbones.
    """
    if len(specs) < 2:
        raise InvalidInputError(f"backbones must be at least two; got {len(specs)}. Name them with commas between.")
    for spec in specs:
        check(spec, context.workspace)  # a name that is none is told before anything is extracted
    started = time.perf_counter()
    images = load(locate(specs[0], context.workspace))
    count = min(rows, len(images.splits["train"]))  # beside one test image, at which nobody looks
    probed = [_probed(spec.of_part(count, 1), context) for spec in specs]
    found = RankingResult(
        dataset=naming.title(images.name),
        rows=count,
        images=images.image_count,
        backbones=(ranked := _ranked(probed, images=images.image_count)),
        recommended=_recommended(ranked),
        seconds=time.perf_counter() - started,
        created=records.now(),
    )
    key = canonical_json([one.record.content for one in probed])
    stored.write(context.workspace / "rankings" / f"{hashlib.sha256(key.encode()).hexdigest()[:12]}.json", found)
    return found


def _probed(spec: ExtractSpec, context: Context) -> _Probed:
    from extract.features.store import FeatureFile

    with context.job(spec.backbone), pinned_features(spec, context) as found:
        split, classes = FeatureFile(found.path).read("train"), len(FeatureFile(found.path).class_names)
        return _scored(spec, found, split, classes=classes)


def _scored(spec: ExtractSpec, found: "StageResult[Extraction]", split: "SplitFeatures", *, classes: int) -> _Probed:
    import torch

    from heads.analysis.labels import out_of_fold
    from heads.analysis.transferability import h_score, logme

    features, labels = split.features[0], split.labels
    groups = np.arange(len(labels)) if split.groups is None else split.groups
    judged = out_of_fold(torch.from_numpy(features), labels, n_classes=classes, groups=groups)
    correct = (judged.training.argmax(1) == labels) & judged.judged
    return _Probed(spec, found.record, logme(features, labels), h_score(features, labels), correct)


def _ranked(probed: Sequence[_Probed], *, images: int) -> list[RankedBackbone]:
    """The backbones, the best probe first, each compared with it on the same images."""
    from heads.statistics import accuracy_interval, paired_together

    ordered = sorted(probed, key=lambda one: -int(one.correct.sum()))
    best = ordered[0]
    family = len(probed) * (len(probed) - 1) // 2
    against = paired_together([([best.correct], [one.correct]) for one in ordered[1:]], family=family)
    compared = [(0.0, (0.0, 0.0), 1.0), *((one.difference, one.interval, one.p_value) for one in against)]
    return [
        RankedBackbone(
            backbone=one.spec.backbone,
            weights=one.spec.weights,
            dimension=one.record.dimension,
            parameters=one.record.parameters,
            flops=one.record.flops,
            logme=one.logme,
            h_score=one.h_score,
            accuracy=float(one.correct.mean()),
            interval=accuracy_interval(int(one.correct.sum()), len(one.correct)),
            difference=difference,
            difference_interval=interval,
            p_value=p_value,
            seconds=_seconds(one.record, images),
            file_bytes=round(one.record.file_bytes * images / one.record.rows),
        )
        for one, (difference, interval, p_value) in zip(ordered, compared, strict=True)
    ]


def _seconds(record: "Extraction", images: int) -> float | None:
    """What extracting all images would take, by the rate of the subset; None where that is not known."""
    timing = record.timing
    return None if timing is None else timing.compile_seconds + images / max(timing.images_per_second, 1e-9)


def _recommended(ranked: Sequence[RankedBackbone]) -> str:
    """The backbone of the fewest operations of those not shown to be worse; seconds differ from run to run."""
    able = [one for one in ranked if not one.is_worse]
    return min(able, key=lambda one: one.flops).backbone
