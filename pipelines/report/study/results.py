"""A record as the report uses it: every part checked, whatever the file holds.

What a number cannot be shown without is needed: a record that lacks it is refused in one sentence. Everything else is
optional: a part of the wrong shape is left out, and that is said.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from extract.errors import InvalidInputError
from pipelines.workspace.record import DoneRecord

MODES = ("frozen", "finetuned", "scratch")
CURVES = (
    *("training_loss", "training_accuracy", "running_training_loss", "running_training_accuracy"),
    *("validation_loss", "validation_accuracy", "learning_rate"),
)
PHASES = ("extraction", "search", "fit", "evaluation")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How good probabilities are; an error up to `calibration_limit` is indistinguishable from perfect calibration."""

    log_loss: float | None
    calibration_error: float | None
    calibration_limit: float | None

    @property
    def is_perfect(self) -> bool:
        """Whether nothing is seen that perfect calibration would not show on as many images."""
        error, limit = self.calibration_error, self.calibration_limit
        return error is not None and limit is not None and error <= limit


@dataclass(frozen=True, kw_only=True)
class Score(Calibration):
    """Scores on one split. Rates are fractions; `confusion` is None where it was not kept or is not square."""

    rows: int
    accuracy: float
    interval: tuple[float, float]
    confusion: tuple[tuple[int, ...], ...] | None


@dataclass(frozen=True)
class Result:
    """One finished run. Counts are None where the record does not say; `curves` may hold None for "not finite".

    `training_rows` images moved the weights that are kept; `validation_rows` were held back while something was chosen,
    and trained on afterwards where the choice was `refitted`. `drawn` is what the seed draws of the fit beside these.
    `scaled` is of the test logits at the `temperature` that was fitted on validation images; None without.
    """

    run: str
    kind: str
    mode: str
    name: str
    short: str
    architecture: str
    family: str | None
    head: str | None
    weights: str
    dataset: Mapping[str, Any]
    image_size: int | None
    class_names: tuple[str, ...]
    seed: int
    created: str
    training_rows: int | None
    validation_rows: int | None
    refitted: bool
    drawn: tuple[str, ...]
    test: Score
    validation: Score | None
    test_tta: Score | None
    scaled: Calibration | None
    temperature: float | None
    curves: Mapping[str, tuple[float | None, ...]]
    seconds: Mapping[str, float]
    parameters: int | None
    flops: int | None
    bytes: int | None
    record: DoneRecord = field(repr=False)

    @property
    def cost_seconds(self) -> float | None:
        """Extraction, search and fit together: what it took to have this classifier, by one clock for every mode.

        It runs from images that are listed to the weights that are kept: reading and decoding the training split, its
        features where there is a head (the share of their extraction that its images have), every training and every
        pass over validation images. The test split's own reading, features and scores are in `evaluation`. None where
        nothing was recorded, or not what the features of a head took (they came from elsewhere).
        """
        if not self.seconds or (self.kind == "head" and "extraction" not in self.seconds):
            return None
        return sum(self.seconds.get(phase, 0.0) for phase in PHASES[:3])

    @property
    def test_set(self) -> tuple[Any, ...]:
        """What was scored: results are compared only within one of these."""
        return self.dataset.get("digest") or self.dataset["name"], self.dataset.get("test_subset")

    @property
    def test_images(self) -> str | None:
        """What stands for the very images (`records.images_digest`); None where it was not kept."""
        return _text(self.dataset.get("test_images"))


def parse(record: Mapping[str, Any]) -> tuple[Result, list[str]]:
    """(the record's result, what in it could not be used). Raises InvalidInputError where it is no result at all."""
    fields = _Fields(record)
    names = fields.optional("class_names", _texts) or ()
    choice = fields.optional("choice", _mapping) or {}
    result = Result(
        run=fields.needed("run", _text),
        kind=fields.needed("kind", _one_of("head", "network")),
        mode=fields.needed("mode", _one_of(*MODES)),
        name=(name := fields.needed("name", _text)),
        short=name,
        architecture=fields.needed("architecture", _text),
        family=fields.optional("family", _text),
        head=fields.optional("head", _text),
        weights=fields.optional("weights", _text) or "unknown",
        dataset=fields.needed("dataset", _dataset),
        image_size=fields.optional("image_size", _count),
        class_names=names,
        seed=fields.needed("seed", _count),
        created=fields.optional("created", _text) or "",
        training_rows=_count(choice.get("training_rows")),
        validation_rows=_count(choice.get("validation_rows")),
        refitted=choice.get("refitted") is True,
        drawn=_texts(choice.get("drawn")) or (),
        test=fields.needed("test", _score),
        validation=fields.optional("validation", _score),
        test_tta=fields.optional("test_tta", _score),
        scaled=fields.optional("test_scaled", _calibration),
        temperature=fields.optional("temperature", _positive),
        curves=fields.optional("curves", _curves) or {},
        seconds=fields.optional("seconds", _seconds) or {},
        parameters=fields.optional("parameters", _count),
        flops=fields.optional("flops", _count),
        bytes=fields.optional("bytes", _count),
        record=record,
    )
    return result, fields.problems


class _Fields:
    """Reads the parts of one record and remembers what could not be used."""

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._record = record
        self.problems: list[str] = []

    def needed(self, name: str, read: Any) -> Any:
        value = read(self._record.get(name))
        if value is None:
            raise InvalidInputError(self._sentence(name, "The run is left out"))
        return value

    def optional(self, name: str, read: Any) -> Any:
        given = self._record.get(name)
        if given is None:
            return None
        value = read(given)
        if value is None:
            self.problems.append(self._sentence(name, "That part is left out"))
        return value

    def _sentence(self, name: str, remedy: str) -> str:
        shown = repr(self._record.get(name))
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return f"run {self._record.get('run')}: {name} must be as a record holds it; got {shown}. {remedy}."


def number(value: Any) -> float | None:
    """A finite number as float, else None. True and False are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e300 and math.isfinite(value) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _texts(value: Any) -> tuple[str, ...] | None:
    whole = isinstance(value, list) and all(isinstance(one, str) for one in value)
    return tuple(value) if whole else None


def _one_of(*known: str) -> Any:
    return lambda value: value if isinstance(value, str) and value in known else None


def _count(value: Any) -> int | None:
    found = number(value)
    return int(found) if found is not None and found >= 0 else None


def _positive(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and found > 0 else None


def _dataset(value: Any) -> Mapping[str, Any] | None:
    if not isinstance(value, Mapping) or not _text(value.get("name")):
        return None
    plain = all(value.get(key) is None or isinstance(value[key], str | int | float) for key in value)
    return value if plain else None


def _share(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and 0.0 <= found <= 1.0 else None


def _score(value: Any) -> Score | None:
    if not isinstance(value, Mapping):
        return None
    accuracy, rows = _share(value.get("accuracy")), _count(value.get("rows"))
    ends = value.get("interval")
    interval = [_share(end) for end in ends] if isinstance(ends, list | tuple) else []
    if accuracy is None or not rows or len(interval) != 2 or None in interval:
        return None
    low, high = sorted(end for end in interval if end is not None)
    return Score(
        rows=rows,
        accuracy=accuracy,
        interval=(low, high),
        confusion=_confusion(value.get("confusion")),
        **_calibration_parts(value),
    )


def _calibration(value: Any) -> Calibration | None:
    return Calibration(**_calibration_parts(value)) if isinstance(value, Mapping) else None


def _calibration_parts(value: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: number(value.get(name)) for name in ("log_loss", "calibration_error", "calibration_limit")}


def _confusion(value: Any) -> tuple[tuple[int, ...], ...] | None:
    if not isinstance(value, list | tuple) or not value:
        return None
    rows = [tuple(_count(one) for one in row) if isinstance(row, list | tuple) else () for row in value]
    if any(len(row) != len(rows) or None in row for row in rows):
        return None
    return tuple(tuple(count or 0 for count in row) for row in rows)


def _curves(value: Any) -> Mapping[str, tuple[float | None, ...]] | None:
    if not isinstance(value, Mapping):
        return None
    kept = {name: value[name] for name in CURVES if isinstance(value.get(name), list)}
    return {name: tuple(number(one) for one in points) for name, points in kept.items() if points}


def _seconds(value: Any) -> Mapping[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    found = {phase: number(value.get(phase)) for phase in PHASES}
    return {phase: seconds for phase, seconds in found.items() if seconds is not None and seconds >= 0}
