"""What `pipeline audit` found: doubtful images and labels."""

from collections.abc import Mapping, Sequence

from extract.data.images import ImageSplit
from extract.runtime.formats import percent, plural
from pipelines.report.page.blocks import Block, Column, Gallery, Items, Picture, Section, Table, numbers, words
from pipelines.report.page.text import clipped, points
from pipelines.report.study.images import NOT_AT_HAND
from pipelines.report.study.study import Study
from pipelines.workspace.parts.inspections import AuditedImage, AuditResult, ClassPairResult

AUDITS, GROUPS, IN_A_GROUP, PICTURES = 2, 10, 3, 24
Shown = tuple[AuditedImage, Sequence[tuple[str, str]]]


def audits(study: Study) -> Section:
    """The newest audits of the workspace."""
    return Section(
        "audit",
        "Audit of the images",
        "Near-duplicates across splits make test scores too good. A label is doubtful where heads that never saw the "
        "image are confident of another class: some of these labels are right, and the image is a hard one.",
        [block for one in study.explored(AuditResult, most=AUDITS) for block in _audit(study, one)],
    )


def _audit(study: Study, found: AuditResult) -> list[Block | None]:
    doubtful: list[Shown] = []
    for one in found.doubtful_labels[:PICTURES]:
        likelier = f"{_name(found, one.suggested)}, {percent(one.suggested_probability, 1)}"
        doubtful.append((one.image, [("likelier", likelier)]))
    near: list[Shown] = [
        (image, [("group", str(number)), ("similarity", f"{one.similarity:.3f}")])
        for number, one in enumerate(found.near_duplicates[:GROUPS], start=1)
        for image in one.images[:IN_A_GROUP]
    ]
    far: list[Shown] = [(one.image, [("similarity", f"{one.similarity:.3f}")]) for one in found.outliers[:PICTURES]]
    by = "the correlation of their pixels" if found.by_pixels else "the cosine of their features"
    outlying = "Mean cosine with the nearest ten images, the least first."
    columns: list[Column[ClassPairResult]] = [
        words("Classes", lambda one: " and ".join(_name(found, at) for at in one.classes)),
        numbers("Told apart, %", lambda one: one.accuracy, points),
        words("", lambda one: "" if one.told_apart else "no better than chance"),
    ]
    caption = f"{found.name}. How often the likelier of two classes is the label, mean of both; chance is 50 %."
    return [
        Items([f"{found.name}: {sentence}" for sentence in summary(found)]),
        _gallery(study, found, "Near-duplicates", f"Those across splits first. Similarity is {by}.", near),
        _gallery(study, found, "Doubtful labels", "The most doubtful first.", doubtful),
        _gallery(study, found, "Outliers", outlying, far),
        Table(caption, columns, found.class_pairs) if found.class_pairs else None,
    ]


def summary(found: AuditResult) -> list[str]:
    """What an audit found, in sentences."""
    across, groups = found.across, found.near_duplicates
    members = sum(len(one.images) for one in groups)
    tests = sum(image.split == "test" for one in across for image in one.images)
    apart = [one for one in found.class_pairs if not one.told_apart]
    said = [
        f"{plural(len(groups), 'group')} of near-duplicates ({plural(members, 'image')}), {len(across)} of them across "
        f"splits ({plural(tests, 'test image')})",
        f"{plural(len(found.doubtful_labels), 'doubtful label')} of {plural(sum(found.rows.values()), 'image')}",
        plural(len(found.outliers), "outlier"),
    ]
    if found.points:
        count = sum(len(one.images) for one in found.points)
        said.append(f"{plural(count, 'image')} on {plural(len(found.points), 'point')}: copies, or collapsed features")
    if apart:
        pairs = ", ".join(" and ".join(_name(found, label) for label in one.classes) for one in apart)
        said.append(f"classes that these features do not tell apart: {pairs}")
    if found.unjudged:
        said.append(f"labels of classes with too few images are not judged: {clipped(', '.join(found.unjudged), 200)}")
    return said


def _name(found: AuditResult, label: int) -> str:
    return clipped(found.class_names[label], 20)


def _gallery(study: Study, found: AuditResult, title: str, caption: str, shown: Sequence[Shown]) -> Gallery | None:
    """The images of an audit, where they are at hand, with their labels and further lines; None without one."""
    if not shown:
        return None
    ids = {split: [image.id for image, _ in shown if image.split == split] for split in found.rows}
    splits = study.images.of_ids(found.dataset, {split: some for split, some in ids.items() if some})
    pictures = [
        Picture(
            _key(study, found, splits or {}, image),
            [("label", _name(found, image.label)), *lines, (image.split, clipped(image.id, 30))],
        )
        for image, lines in shown
    ]
    return Gallery(f"{title}, {found.name}", caption + (NOT_AT_HAND if splits is None else ""), pictures)


def _key(study: Study, found: AuditResult, splits: Mapping[str, ImageSplit], image: AuditedImage) -> str:
    if (split := splits.get(image.split)) is None:
        return ""
    return study.images.thumbnail(split, split.ids.index(image.id), digest=str(found.dataset["digest"]))
