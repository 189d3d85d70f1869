"""The record of a run, and the types that it shares with other files of a workspace.

A field without a default is in every file. Of the others one whose default is `None` is left out where it is None; one
whose default is `null()` is then null. Everything is checked whenever a file is read.
"""

from typing import Annotated, Literal, TypedDict, get_args

from msgspec import Meta

from extract.errors import CorruptFileError
from extract.runtime.typed_json import LARGEST, Count, Number, Seconds, Sha256, Share, typed
from pipelines.workspace.parts.scores import (
    Calibration,
    Options,
    RecordPart,
    RunName,
    ShotsRow,
    SplitScores,
    TrainingScore,
    null,
)

SCHEMA = 3
TOTAL = "total"  # of the seconds of a network's record
PHASES = ("extraction", "search", "fit", "evaluation")
FEATURE_NAME = r"[\w.]{0,80}-[\w.]{0,80}-[0-9a-f]{12}\.h5"  # of `tasks.features.file_name`, as a regular expression
FileName = Annotated[str, Meta(pattern=r"\A\w[\w.-]{0,99}\Z")]  # leads out of no folder
FeatureName = Annotated[str, Meta(pattern=rf"\A{FEATURE_NAME}\Z")]
Files = dict[FileName, Sha256]
Size = Annotated[int, Meta(ge=1, le=LARGEST)]
Positive = Annotated[float, Meta(ge=1e-300, le=1e300)]
Rate = Annotated[float, Meta(ge=0, le=1e30)]
Curves = dict[str, list[Number | None]]
Mode = Literal["frozen", "finetuned", "scratch"]
MODES: tuple[Mode, ...] = get_args(Mode)


TEST_SUBSET = "test_subset"
SUBSETS = ("subset", TEST_SUBSET)  # fields of a record's data set: of its training and its test images


class DatasetUse(RecordPart, frozen=True, kw_only=True):
    """Data of a run. `seed` drew the subsets; `test_images` is `records.images_digest`."""

    name: str
    digest: str | None = null()
    classes: tuple[str, ...] | None = None
    subset: Count | None = null()
    test_subset: Count | None = null()
    seed: Count | None = null()
    on_bad_image: str | None = None
    decoding: Count | None = None
    max_pixels: Count | None = None
    test_images: Sha256 | None = None

    @property
    def is_scored_whole(self) -> bool:
        """Whether every test image was used."""
        return self.test_subset is None


class RunChoice(RecordPart, frozen=True, kw_only=True):
    """Choice made on validation images, and its criterion.

    `training_rows` images moved the weights that are kept. `validation_rows` were held back while something was
    chosen; where the choice was `refitted`, it was trained on these as well. `drawn` is what the seed draws of the fit,
    beside the validation images. `trials` is how many a search scored that found the options; the record's `search` is
    its name. `kept_epoch` is the epoch (from 1) whose weights were kept, `kept_by` the validation criterion that it is
    the best by; both are None for what learns in no epochs.
    """

    training_rows: Count
    validation_rows: Count
    refitted: bool | None = None
    criterion: str | None = None
    drawn: list[str] | None = None
    kept_epoch: Count | None = null()
    kept_by: Literal["log_loss", "accuracy", "balanced_accuracy", "macro_f1", "last"] | None = null()
    trials: Count | None = None
    table: list[Options] | None = None
    fit_facts: Options | None = None
    epochs_run: Count | None = None
    best_epoch: Count | None = None
    engine: str | None = None
    skipped: list[str] | None = None


class Mistake(RecordPart, frozen=True, kw_only=True):
    """A test image that got a wrong answer: its id, its class, the class that was said and its probability."""

    id: str
    true: str
    predicted: str
    probability: Share


class RecipeParts(TypedDict, total=False):
    """Parts of the recipe in a network's key that others than its own task read."""

    batch_size: Size | None
    accumulate: Size


class KeyParts(TypedDict, total=False):
    """Parts of a run's key that others than its own task read."""

    mode: str
    recipe: str | None
    recipe_options: RecipeParts
    architecture: Options
    options: Options


class SpecParts(TypedDict, total=False):
    """Parts of a feature file's spec that are read again."""

    weights: Options
    preprocessing: Options


class FeaturesUse(RecordPart, frozen=True, kw_only=True):
    """The feature file that a head learned from."""

    spec: Options
    digest: str
    content: str
    engine: str

    def __post_init__(self) -> None:
        typed(self.spec, SpecParts, name="spec")

    @property
    def weights_seed(self) -> int | None:
        """The seed that drew the weights of the backbone; None where none did."""
        return (self.spec.get("weights") or {}).get("seed")


class _Run(RecordPart, frozen=True, kw_only=True):
    """What every run has, done or failed."""

    schema: Literal[3]
    run: RunName
    kind: Literal["head", "network"]
    created: str
    name: str
    key: Options
    error: str | None

    def __post_init__(self) -> None:
        typed(self.key, KeyParts, name="key")


class FailedRecord(_Run, frozen=True, kw_only=True):
    """A run that ended in an `error`, with what was known before it ran."""

    status: Literal["failed"]
    mode: Mode | None = None
    architecture: str | None = None
    family: str | None = None
    weights: str | None = None
    head: str | None = None
    dataset: DatasetUse | None = None
    image_size: Count | None = None
    seed: Count | None = None
    class_names: list[str] | None = None
    features: FeaturesUse | None = None
    hardware: Options | None = None
    versions: dict[str, str | None] | None = None
    study: str | None = None


class DoneRecord(_Run, frozen=True, kw_only=True):
    """A run that is done: its scores, what they cost, and its files (name -> sha256)."""

    status: Literal["done"]
    mode: Mode
    architecture: str
    family: str | None = null()
    weights: str
    head: str | None = null()
    dataset: DatasetUse
    image_size: Count | None
    seed: Count
    class_names: list[str]
    chosen: Options
    choice: RunChoice
    curves: Curves
    training: TrainingScore
    validation: SplitScores | None
    test: SplitScores
    test_without_near_copies: SplitScores | None = None
    test_tta: SplitScores | None = None
    test_scaled: Calibration | None = null()
    temperature: Positive | None
    mistakes: list[Mistake] | None = None
    seconds: dict[str, Seconds | None]
    parameters: Count
    flops: Count
    bytes: Count
    files: Files
    features: FeaturesUse | None = None
    hardware: Options | None = None
    versions: dict[str, str | None] | None = None
    notices: list[str] | None = None
    preprocessing: Options | None = None
    images_per_second: Rate | None = null()
    peak_memory_bytes: Count | None = null()
    processes: Count | None = None
    shots: list[ShotsRow] | None = None
    search: str | None = None
    study: str | None = None

    @property
    def source(self) -> FeaturesUse:
        """The feature file of a head."""
        if self.features is None:
            raise CorruptFileError(f"record of a head must name its features; got none in {self.run}. Fit it again.")
        return self.features

    @property
    def cost_seconds(self) -> float | None:
        """Extraction, search and fit together: what it took to have this classifier, by one clock for every mode.

        It runs from images that are listed to the weights that are kept: reading and decoding the training split, its
        features where there is a head (the share of their extraction that its images have), every training and every
        pass over validation images. The test split's own reading, features and scores are in `evaluation`. None where
        nothing was recorded, or not what the features of a head took (they came from elsewhere).
        """
        known = [self.seconds.get(phase) for phase in PHASES[:3]]
        if known == [None] * 3 or (self.kind == "head" and known[0] is None):
            return None
        return sum(seconds or 0.0 for seconds in known)

    def is_scored_like(self, other: "DoneRecord") -> bool:
        """Whether both runs were scored on the very same images, in the same order."""
        return self.dataset.test_images is not None and self.dataset.test_images == other.dataset.test_images

    @property
    def test_set(self) -> tuple[str, int | None]:
        """Identity of the test set: results are compared only within one of these."""
        return self.dataset.digest or self.dataset.name, self.dataset.test_subset


Record = DoneRecord | FailedRecord
