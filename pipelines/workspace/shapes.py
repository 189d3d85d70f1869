"""The shapes of records, and of what others that a workspace keeps as JSON share with them (see `answer_shapes`).

Each is declared once and checked in depth whenever a file is read, so that whoever uses a field can rely on it.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from extract.runtime.shapes import LARGEST, Between, Count, Matching, Seconds, Sha256, Share

FEATURE_NAME = r"[\w.]{0,80}-[\w.]{0,80}-[0-9a-f]{12}\.h5"  # of `tasks.features.file_name`, as a regular expression
RunName = Annotated[str, Matching("[0-9a-f]{12}")]
FileName = Annotated[str, Matching(r"\w[\w.-]{0,99}")]  # leads out of no folder
FeatureName = Annotated[str, Matching(FEATURE_NAME)]
Files = dict[FileName, Sha256]
Size = Annotated[int, Between(1, LARGEST)]
Positive = Annotated[float, Between(1e-300, 1e300)]
Rate = Annotated[float, Between(0, 1e30)]
Options = dict[str, Any]
Curves = dict[str, list[float | None]]


class Scores(TypedDict):
    """Scores on one split (`heads.metrics.Scores`)."""

    rows: Count
    accuracy: Share
    interval: tuple[Share, Share]
    top5: Share | None
    log_loss: float | None
    calibration_error: float | None
    calibration_limit: float | None
    per_class: list[Share | None]
    confusion: list[list[Count]]


class Scaled(TypedDict):
    """Scores on the test split at the temperature that was fitted on validation images (`heads.metrics.Scores`)."""

    log_loss: float | None
    calibration_error: float | None
    calibration_limit: float | None


class ShotsRow(TypedDict):
    """Accuracy with so many labels a class, over draws."""

    labels_per_class: Count
    accuracies: list[Share]
    mean: Share
    deviation: Share | None
    least: Share
    greatest: Share


class Dataset(TypedDict):
    """What was trained and scored on."""

    name: str
    digest: NotRequired[str | None]
    subset: NotRequired[Count | None]
    test_subset: NotRequired[Count | None]
    seed: NotRequired[Count | None]
    on_bad_image: NotRequired[str]
    test_images: NotRequired[Sha256]


class Training(TypedDict):
    """Accuracy on `rows` training images (`heads.training_sample`) in evaluation mode.

    `accuracy` is that of what the validation images scored, `kept_accuracy` of what is kept: another one after a refit.
    """

    rows: Count
    accuracy: Share
    kept_accuracy: Share


class Choice(TypedDict):
    """What was chosen on validation images, and by what.

    `training_rows` images moved the weights that are kept. `validation_rows` were held back while something was
    chosen; where the choice was `refitted`, it was trained on these as well. `drawn` is what the seed draws of the fit,
    beside the validation images. `trials` is how many a search judged that found the options; the record's `search` is
    its name. `kept_epoch` is the epoch (from 1) whose weights were kept, `kept_by` the validation criterion that it is
    the best by; both are None for what learns in no epochs.
    """

    training_rows: Count
    validation_rows: Count
    refitted: NotRequired[bool]
    trials: NotRequired[Count]
    criterion: NotRequired[str]
    table: NotRequired[list[dict[str, Any]]]
    fit_facts: NotRequired[Options]
    drawn: NotRequired[list[str]]
    epochs_run: NotRequired[Count]
    best_epoch: NotRequired[Count]
    kept_epoch: NotRequired[Count | None]
    kept_by: NotRequired[Literal["log_loss", "accuracy", "last"] | None]


class Mistake(TypedDict):
    """A test image that got a wrong answer: its id, its class, the class that was said and its probability."""

    id: str
    true: str
    predicted: str
    probability: Share


class Features(TypedDict):
    """The feature file that a head learned from."""

    spec: Options
    digest: str
    content: str
    engine: str


class NetworkOptions(TypedDict):
    """What the key of a network says of its recipe, as far as others than its own training read it."""

    batch_size: NotRequired[Size | None]
    accumulate: NotRequired[Size]


class NetworkRecordKey(TypedDict):
    """The same of the whole key (`specs.NetworkKey`)."""

    mode: str
    recipe_options: NetworkOptions


class Record(TypedDict):
    """A run (see `records`). Only the first keys are those of every run; `records.NEEDED` are one's that is
    done."""

    schema: Literal[3]
    run: RunName
    kind: Literal["head", "network"]
    status: Literal["done", "failed"]
    created: str
    name: str
    key: Options
    error: str | None
    mode: NotRequired[Literal["frozen", "finetuned", "scratch"]]
    architecture: NotRequired[str]
    family: NotRequired[str | None]
    weights: NotRequired[str]
    head: NotRequired[str | None]
    dataset: NotRequired[Dataset]
    image_size: NotRequired[Count | None]
    seed: NotRequired[Count]
    class_names: NotRequired[list[str]]
    notices: NotRequired[list[str]]
    mistakes: NotRequired[list[Mistake]]
    chosen: NotRequired[Options]
    choice: NotRequired[Choice | None]
    curves: NotRequired[Curves]
    training: NotRequired[Training]
    validation: NotRequired[Scores | None]
    test: NotRequired[Scores]
    test_tta: NotRequired[Scores | None]
    test_scaled: NotRequired[Scaled | None]
    temperature: NotRequired[Positive | None]
    seconds: NotRequired[dict[str, Seconds | None]]
    parameters: NotRequired[Count]
    flops: NotRequired[Count]
    bytes: NotRequired[Count]
    files: NotRequired[Files]
    features: NotRequired[Features | None]
    hardware: NotRequired[Options | None]
    versions: NotRequired[dict[str, str | None] | None]
    preprocessing: NotRequired[Options]
    images_per_second: NotRequired[Rate | None]
    peak_memory_bytes: NotRequired[Count | None]
    processes: NotRequired[Count]
    shots: NotRequired[list[ShotsRow]]
    search: NotRequired[str]
    study: NotRequired[str]
