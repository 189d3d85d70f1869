"""The result of a search, as `searches/<name>/result.json` keeps it."""

from typing import Literal, TypedDict

from extract.runtime.typed_json import Count, Number, Seconds, Share
from pipelines.workspace.schema import Options, RunName


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
