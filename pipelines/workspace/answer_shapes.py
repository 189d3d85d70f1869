"""The shapes of cached answers, notes and results of searches, as a workspace keeps them beside its records."""

from typing import Literal, TypedDict

from extract.runtime.typed_json import Count, Number, Seconds, Sha256, Share
from pipelines.workspace.record import FeatureName, Files, Options, Positive, Rate, RunName, ShotsRow


class Timing(TypedDict):
    """What an extraction took (`extract.features.extraction.Timing`)."""

    seconds: Seconds
    compile_seconds: Seconds
    images_computed: Count
    images_per_second: Rate


class Extracted(TypedDict):
    """Cached answer of an extraction. `created` is when the file was made, as ISO 8601."""

    file: FeatureName
    digest: Sha256
    content: Sha256
    rows: Count
    dimension: Count
    file_bytes: Count
    engine: str
    parameters: Count
    weight_bytes: Count
    flops: Count
    skipped: list[str]
    timing: Timing | None
    plain_view_of: Sha256 | None
    created: str


class Scored(TypedDict):
    """The part of a run's cached answer that heads and networks share."""

    run: RunName
    files: Files
    chosen: Options
    parameters: Count
    flops: Count
    bytes: Count
    training_accuracy: Share
    validation_accuracy: Share | None
    test_accuracy: Share
    test_interval: tuple[Share, Share]
    test_rows: Count
    top5: Share | None
    log_loss: Number | None
    calibration_error: Number | None
    calibration_limit: Number | None
    temperature: Positive | None
    scaled_log_loss: Number | None
    scaled_calibration_error: Number | None
    scaled_calibration_limit: Number | None
    test_tta_accuracy: Share | None
    evaluation_seconds: Seconds


class FittedHead(Scored):
    """Cached answer of a head."""

    head: str
    criterion: str
    converged: bool | None
    candidates: Count
    rough_candidates: Count
    search_seconds: Seconds
    fit_seconds: Seconds


class TrainedNetwork(Scored):
    """Cached answer of a training."""

    name: str
    network: str
    mode: str
    image_size: Count
    epochs_run: Count
    best_epoch: Count
    training_rows: Count
    validation_rows: Count
    skipped: list[str]
    tta: str
    train_seconds: Seconds
    images_per_second: Rate
    peak_memory_bytes: Count | None


class FewLabels(TypedDict):
    """Cached answer of heads on few labels."""

    rows: list[ShotsRow]


class Note(TypedDict):
    """What is known of a feature file beside what it holds (`tasks.provenance.Origin`)."""

    content: Sha256
    parameters: Count
    weight_bytes: Count
    flops: Count
    seconds: Seconds | None
    images_per_second: Rate | None
    weights_file: str | None
    created: str
    file: FeatureName
    notices: list[str]


class SearchTrial(TypedDict):
    """One trial of a search."""

    number: Count
    state: Literal["complete", "pruned", "failed", "running", "waiting"]
    params: Options
    value: Share | None
    seconds: Seconds | None
    step_values: list[Number | None]
    error: str | None


class BestTrial(TypedDict):
    """The winning trial of a search."""

    number: Count
    params: Options
    value: Share


class SearchResult(TypedDict):
    """The result of a search (`pipelines.search.result`)."""

    name: str
    subject: str
    trials: list[SearchTrial]
    importance: dict[str, Number]
    importance_spread: dict[str, tuple[Number, Number]]
    importance_note: str
    logarithmic: list[str]
    best: BestTrial | None
    best_run: RunName | None
    seconds: Seconds


class KeptLandscape(TypedDict):
    """A loss landscape that is kept: `loss[i][j]` at steps i and j from the network `run`."""

    run: RunName
    steps: list[Number]
    loss: list[list[Number | None]]
