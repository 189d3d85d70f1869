"""Results of looking at a data set and at backbones: audits and rankings."""

from msgspec import Struct

from extract.runtime.typed_json import Count, Number, Seconds, Share
from pipelines.workspace.parts.scores import Options, RunName

SHOWN_WORSE = 0.05
# Of every image: its nearest and how similar that is, the first of its near-duplicates, the probability of its label
# (NaN where nothing judged it), the likeliest other class, and how similar its nearest are on average.
SCORES = ("nearest", "similarity", "group", "label_probability", "likeliest_other", "typicality")


class AuditedImage(Struct, frozen=True, kw_only=True):
    """An image by its row among all that were audited, training images first; its label is a class index."""

    row: Count
    id: str
    split: str
    label: Count


class NearDuplicates(Struct, frozen=True, kw_only=True):
    """Images that are nearly the same, through as many steps as it takes; the least similarity to the nearest."""

    images: list[AuditedImage]
    similarity: Number


class DoubtfulLabel(Struct, frozen=True, kw_only=True):
    """An image with the probability of its label, and the class that is likelier, by heads that never saw it."""

    image: AuditedImage
    probability: Share
    suggested: Count
    suggested_probability: Share


class Outlier(Struct, frozen=True, kw_only=True):
    """An image far from all others: the mean similarity of its nearest, -1 to 1."""

    image: AuditedImage
    similarity: Number


class ClassPairResult(Struct, frozen=True, kw_only=True):
    """Two classes, how often the likelier of them is the label (chance is one half), and whether that is shown."""

    classes: tuple[Count, Count]
    accuracy: Share
    told_apart: bool


class AuditResult(Struct, frozen=True, kw_only=True):
    """An audit of a data set by the features of content `features`, each list with the worst first.

    `by_pixels` says whether near-duplicates were compared by their pixels. `points` are groups of images with exactly
    the same features. `unjudged` names classes of too few images. `scores` are float32 [6, N], a row for each of
    `SCORES` and a column for each image.
    """

    run: RunName
    name: str
    features: str
    dataset: Options
    class_names: list[str]
    rows: dict[str, Count]
    by_pixels: bool
    near_duplicates: list[NearDuplicates]
    doubtful_labels: list[DoubtfulLabel]
    outliers: list[Outlier]
    points: list[NearDuplicates]
    class_pairs: list[ClassPairResult]
    unjudged: list[str]
    seconds: Seconds
    created: str
    scores: bytes

    @property
    def across(self) -> list[NearDuplicates]:
        """Those near-duplicates that stand in several splits."""
        return [one for one in self.near_duplicates if len({image.split for image in one.images}) > 1]


class RankedBackbone(Struct, frozen=True, kw_only=True):
    """A backbone on a subset of the training images; `accuracy` is that of a linear probe on images it did not learn.

    `difference` is that accuracy less the best one's, with its interval; `p_value` is corrected for every pair.
    `seconds` and `file_bytes` are what extracting all images would take.
    """

    backbone: str
    weights: str
    dimension: Count
    parameters: Count
    flops: Count
    logme: Number
    h_score: Number
    accuracy: Share
    interval: tuple[Share, Share]
    difference: Number
    difference_interval: tuple[Number, Number]
    p_value: Share
    seconds: Seconds | None
    file_bytes: Count

    @property
    def is_worse(self) -> bool:
        """Whether it is shown to be worse than the best."""
        return self.p_value < SHOWN_WORSE


class RankingResult(Struct, frozen=True, kw_only=True):
    """Backbones by the accuracy of their probes on `rows` images of all `images` of a data set, the best first.

    `recommended` has the fewest operations of those that are not shown to be worse than the best.
    """

    dataset: str
    rows: Count
    images: Count
    backbones: list[RankedBackbone]
    recommended: str
    seconds: Seconds
    created: str
