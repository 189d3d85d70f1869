"""What a workspace keeps beside runs: results of searches, ablations, learning-rate range tests, audits and rankings.

`searches/<name>/result.json`; `ablations/<digest>.json` and, of each of its trainings, `ablations/runs/<run>.json`;
`range-tests/<digest>.json`; `audits/<digest>.json`; `rankings/<digest>.json`. Imports no torch.
"""

from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict, TypeVar

from msgspec import Meta, Struct

from extract.errors import CorruptFileError
from extract.runtime.typed_json import Count, Number, Seconds, Share
from pipelines.workspace import stored
from pipelines.workspace.parts.inspections import AuditResult, RankingResult
from pipelines.workspace.schema import Options, RunName

NOT_SHOWN = "no difference shown"


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


class SearchRange(TypedDict):
    """The numbers that an option was searched in."""

    low: Number
    high: Number
    log: bool


class SearchResult(TypedDict):
    """The result of a search (`pipelines.search.result`); results of before it was kept have no `space`."""

    name: str
    subject: str
    space: NotRequired[dict[str, SearchRange | list[object]]]
    trials: list[SearchTrial]
    importance: dict[str, Number]
    importance_spread: dict[str, tuple[Number, Number]]
    importance_note: str
    logarithmic: list[str]
    best: BestTrial | None
    best_run: RunName | None
    seconds: Seconds


def best_trials(search: SearchResult) -> list[SearchTrial]:
    """The complete trials, the most accurate first and of equals the one that was chosen."""
    chosen = search["best"] and search["best"]["number"]
    valued = [
        (one["value"], one) for one in search["trials"] if one["state"] == "complete" and one["value"] is not None
    ]
    return [one for _, one in sorted(valued, key=lambda two: (-two[0], two[1]["number"] != chosen, two[1]["number"]))]


class ValidatedRun(Struct, frozen=True, kw_only=True):
    """A network that was trained for an ablation, scored on its validation split alone, and not kept.

    `correct` has a 1 for every validation image that was answered correctly and a 0 for every other, `ids` their names.
    """

    run: RunName
    key: Options
    correct: Annotated[str, Meta(pattern=r"\A[01]+\Z")]
    ids: list[str]
    log_loss: Number | None
    epochs_run: Count
    seconds: Seconds
    hardware: Options
    versions: dict[str, str]
    created: str

    @property
    def accuracy(self) -> float:
        """Validation accuracy."""
        return self.correct.count("1") / len(self.correct)


class AblationRow(Struct, frozen=True, kw_only=True):
    """One change of an ablation against its base: the `options` that it sets, and validation accuracies by seed.

    `difference` is their mean less the base's, paired over seeds and images; `interval` is corrected for the number of
    changes and excludes zero exactly where `p_value` is below 0.05 (`heads.statistics.paired_over_seeds`).
    """

    name: str
    options: Options
    accuracies: list[Share]
    seconds: Seconds
    difference: Number
    interval: tuple[Number, Number]
    p_value: Share

    @property
    def accuracy(self) -> float:
        """Mean validation accuracy over the seeds."""
        return sum(self.accuracies) / len(self.accuracies)

    @property
    def verdict(self) -> str:
        """ "better" or "worse" than the base; "no difference shown" where the interval contains zero."""
        low, high = self.interval
        return NOT_SHOWN if low <= 0 <= high else "better" if low > 0 else "worse"


class AblationResult(Struct, frozen=True, kw_only=True):
    """A base and one change at a time, by accuracy on `validation_rows` images of each seed. No test image was scored.

    `base` names what was trained ("resnet20 scratch on digits") with the `options` that it was given; `accuracies` are
    its own by seed. `seconds` are those of the updates and of the validation after each epoch in all trainings, also
    earlier ones; `failures` are sentences on changes that have no row.
    """

    name: str
    base: str
    options: Options
    dataset: str
    seeds: list[Count]
    validation_rows: Count
    accuracies: list[Share]
    rows: list[AblationRow]
    failures: list[str]
    seconds: Seconds
    created: str

    @property
    def accuracy(self) -> float:
        """Mean validation accuracy of the base over the seeds."""
        return sum(self.accuracies) / len(self.accuracies)


class RangeTestResult(Struct, frozen=True, kw_only=True):
    """A learning-rate range test: smoothed training `losses` at rising `rates`, and the rate that it suggests."""

    name: str
    network: str
    dataset: str
    recipe: str | None
    suggested_learning_rate: Number
    recipe_learning_rate: Number
    rates: list[Number]
    losses: list[Number | None]
    created: str


Exploration = AblationResult | RangeTestResult | AuditResult | RankingResult
Kept = TypeVar("Kept", bound=Exploration)
KINDS: dict[type[Exploration], tuple[str, str]] = {  # of what is listed: its folder, and what an error calls it
    AblationResult: ("ablations", "result of an ablation"),
    RangeTestResult: ("range-tests", "learning-rate range test"),
    AuditResult: ("audits", "audit"),
    RankingResult: ("rankings", "ranking of backbones"),
}


def validated_path(workspace: Path, run: str) -> Path:
    """The file of a training of ablations."""
    return workspace / "ablations" / "runs" / f"{run}.json"


def validated(workspace: Path, run: str) -> ValidatedRun | None:
    """The training `run` of ablations; None where it has no intact file."""
    return stored.find(validated_path(workspace, run), ValidatedRun)


def audit(workspace: Path, run: str) -> AuditResult | None:
    """The audit `run`; None where it has no intact file."""
    return stored.find(workspace / KINDS[AuditResult][0] / f"{run}.json", AuditResult)


def read_all(workspace: Path, kind: type[Kept]) -> tuple[list[Kept], list[str]]:
    """(the results of a kind, one of `KINDS`, oldest first; a sentence for each file that cannot be read)."""
    folder, thing = KINDS[kind]
    found: list[Kept] = []
    problems = []
    for path in sorted((workspace / folder).glob("*.json")):
        try:
            found.append(stored.read(path, kind, thing=thing, remedy="It is left out; run the command again."))
        except CorruptFileError as error:
            problems.append(str(error))
    return sorted(found, key=lambda one: one.created), problems


def are_any(workspace: Path) -> bool:
    """Whether a workspace holds a result of one of `KINDS` that can be read."""
    return any(read_all(workspace, kind)[0] for kind in KINDS)
