"""Feature file -> audit of its data: near-duplicates, doubtful labels, outliers, collapsed features, classes alike."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from extract.runtime.groups import together
from extract.runtime.memory import enough_for
from pipelines.specs.spec import Key
from pipelines.workspace import cache, explorations, naming, records, stored
from pipelines.workspace.context import Context
from pipelines.workspace.parts.inspections import (
    AuditedImage,
    AuditResult,
    ClassPairResult,
    DoubtfulLabel,
    NearDuplicates,
    Outlier,
)
from pipelines.workspace.schema import RunName

if TYPE_CHECKING:
    from extract.data.images import ImageSplit
    from extract.duplicates.search import Neighborhood
    from extract.features.store import FeatureFile
    from heads.analysis.labels import Doubts, OutOfFold

AUDIT_VERSION = 4  # raised when the same key must give another audit
MANY = 10  # images on one point that are worth a word
PAIRS = 10  # of classes that are shown
MOST_TOGETHER = 50  # near-duplicates stay in one fold up to this part of all: more would leave a fold without a class
FAR = 3.0  # interquartile ranges below the first quartile, Tukey's "far out"
LESS_MEMORY = "Audit features of fewer images (--subset) or of a narrower backbone"


@dataclass(frozen=True, kw_only=True)
class AuditKey(Key):
    """Key of an audit: the content of the features, and whether the images' pixels were at hand."""

    features: str
    by_pixels: bool


@dataclass(frozen=True)
class AuditInputs:
    """Inputs of an audit beside its key: the features, and the images of its splits where they are at hand."""

    file: "FeatureFile"
    images: "Mapping[str, ImageSplit] | None"
    context: Context


@dataclass(frozen=True)
class Audited:
    """All images of a feature file, training images first: `features` [N, D], `labels` int64 [N], ids, split names.

    `groups` int64 number the groups of the training images, which are `training`; None where they have none.
    """

    features: np.ndarray
    labels: np.ndarray
    ids: tuple[str, ...]
    splits: tuple[str, ...]
    training: int
    groups: np.ndarray | None

    @classmethod
    def of(cls, file: "FeatureFile") -> "Audited":
        """The rows of a file."""
        names = sorted(file.shapes, key=lambda name: name != "train")
        read = [file.read(name) for name in names]
        return cls(
            np.concatenate([one.features[0] for one in read]),
            np.concatenate([one.labels for one in read]),
            tuple(name for one in read for name in one.ids),
            tuple(name for name, one in zip(names, read, strict=True) for _ in one.ids),
            len(read[0].labels),
            read[0].groups,
        )

    def image(self, row: int) -> AuditedImage:
        """The image of a row."""
        return AuditedImage(row=int(row), id=self.ids[row], split=self.splits[row], label=int(self.labels[row]))


def audit(
    file: "FeatureFile", context: Context, *, images: "Mapping[str, ImageSplit] | None"
) -> tuple[AuditResult, bool]:
    """(the audit of a feature file, whether it was kept already); `images` are those of its rows, by split."""
    workspace = context.workspace
    images = images if images is not None and all(map(_is_large, images.values())) else None
    key = AuditKey(stage_version=AUDIT_VERSION, features=file.content, by_pixels=images is not None)
    with enough_for("the audit", remedy=LESS_MEMORY):
        return cache.ask(
            _audit,
            key.text(),
            context=AuditInputs(file, images, context),
            workspace=workspace,
            read=lambda run: explorations.audit(workspace, run),
        )


def _is_large(split: "ImageSplit") -> bool:
    """Whether images have the pixels of a thumbnail: with fewer, different ones look alike."""
    from extract.data.images import Pixels
    from extract.duplicates.thumbnails import SIDE

    return not isinstance(split.images, Pixels) or min(split.images.array.shape[2:]) >= SIDE


def _audit(key: str, context: AuditInputs) -> RunName:
    known = AuditKey.from_text(key)
    workspace = context.context.workspace
    stored.write(workspace / "audits" / f"{known.run()}.json", _audited(known, context))
    return known.run()


def _audited(key: AuditKey, inputs: AuditInputs) -> AuditResult:
    from extract.duplicates.search import neighborhood
    from heads.analysis import labels

    started, file, context = time.perf_counter(), inputs.file, inputs.context
    context.doing("reading the features")
    rows = Audited.of(file)
    near = neighborhood(rows.features, _thumbnails(inputs), progress=context.progress)
    found = _out_of_fold(rows, near, context, n_classes=len(file.class_names))
    log_probabilities = np.concatenate([found.training, found.further])
    judged = np.concatenate([found.judged, np.ones(len(found.further), bool)])
    training = slice(0, rows.training)
    known = log_probabilities[training][found.judged], rows.labels[training][found.judged]
    doubts = labels.doubts(log_probabilities, rows.labels, confidence=labels.confidence(*known))
    unjudged = sorted({file.class_names[label] for label in rows.labels[~judged].tolist()})
    return AuditResult(
        run=key.run(),
        name=f"{naming.title(file.spec['dataset']['name'])} by {file.spec['backbone']}",
        features=file.content,
        dataset=dict(file.spec["dataset"]),
        class_names=list(file.class_names),
        rows={name: shape[1] for name, shape in file.shapes.items()},
        by_pixels=key.by_pixels,
        near_duplicates=_groups(rows, near.group, near.similarity),
        doubtful_labels=_doubtful(rows, doubts, judged, log_probabilities),
        outliers=_outliers(rows, near),
        points=[one for one in _groups(rows, near.point, np.ones(len(rows.labels))) if len(one.images) >= MANY],
        class_pairs=[
            ClassPairResult(classes=one.classes, accuracy=one.accuracy, told_apart=one.low > 0.5)
            for one in labels.class_pairs(*known)[:PAIRS]
        ],
        unjudged=unjudged,
        seconds=time.perf_counter() - started,
        created=records.now(),
        scores=_scores(near, doubts, judged),
    )


def _thumbnails(inputs: AuditInputs) -> np.ndarray | None:
    """uint8 [N, 3, 32, 32] of the images in the order of the rows, where they are at hand."""
    from extract.duplicates.thumbnails import thumbnails

    if inputs.images is None:
        return None
    splits = [inputs.images[name] for name in sorted(inputs.images, key=lambda name: name != "train")]
    counted = inputs.context.counter(sum(map(len, splits)), "thumbnails")
    return np.concatenate([thumbnails(split.images, stepped=counted) for split in splits])


def _out_of_fold(rows: Audited, near: "Neighborhood", context: Context, *, n_classes: int) -> "OutOfFold":
    import torch

    from heads.analysis.labels import out_of_fold

    features, group = torch.from_numpy(rows.features), near.group[: rows.training]
    crowded = np.bincount(group, minlength=len(group))[group] > len(group) // MOST_TOGETHER
    alone = np.where(crowded, np.arange(len(group)), group)
    return out_of_fold(
        features[: rows.training],
        rows.labels[: rows.training],
        further=features[rows.training :],
        n_classes=n_classes,
        groups=alone if rows.groups is None else together(alone, rows.groups),
        progress=lambda done, total: context.progress(done, total, "folds"),
    )


def _groups(rows: Audited, first: np.ndarray, similarity: np.ndarray) -> list[NearDuplicates]:
    """Groups of at least two rows with the same `first`; those across splits first, then by similarity."""
    order = np.argsort(first, kind="stable")
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    groups = [members for members in np.split(order, starts[1:]) if len(members) > 1]
    found = [
        NearDuplicates(images=[rows.image(row) for row in members], similarity=float(similarity[members].min()))
        for members in groups
    ]
    return sorted(found, key=lambda one: (len({image.split for image in one.images}) == 1, -one.similarity))


def _doubtful(
    rows: Audited, doubts: "Doubts", judged: np.ndarray, log_probabilities: np.ndarray
) -> list[DoubtfulLabel]:
    chosen = np.flatnonzero(doubts.doubted & judged)
    return [
        DoubtfulLabel(
            image=rows.image(row),
            probability=float(doubts.probability[row]),
            suggested=int(doubts.other[row]),
            suggested_probability=float(np.exp(log_probabilities[row, doubts.other[row]])),
        )
        for row in chosen[np.argsort(doubts.probability[chosen], kind="stable")]
    ]


def _outliers(rows: Audited, near: "Neighborhood") -> list[Outlier]:
    first, third = np.quantile(near.typicality, (0.25, 0.75))
    far = np.flatnonzero(near.typicality < first - FAR * (third - first))
    ordered = far[np.argsort(near.typicality[far], kind="stable")]
    return [Outlier(image=rows.image(row), similarity=float(near.typicality[row])) for row in ordered]


def _scores(near: "Neighborhood", doubts: "Doubts", judged: np.ndarray) -> bytes:
    probability = np.where(judged, doubts.probability, np.nan)
    columns = (near.nearest, near.similarity, near.group, probability, doubts.other)
    return np.stack([np.asarray(one, np.float32) for one in (*columns, near.typicality)]).tobytes()
