"""Preprocessing for weights from a file, as far as it is recorded beside them. Imports no torch.

What is known is a part of `extract.backbones.transforms.Preprocessing`: its fields without `image_size`.
"""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from extract.errors import InvalidInputError

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
# Our names, and those of timm's configurations and command line and of transformers' processors.
NAMES = {
    "mean": ("mean", "image_mean"),
    "std": ("std", "image_std"),
    "crop_fraction": ("crop_pct", "crop_fraction"),
    "interpolation": ("interpolation",),
    "crop_mode": ("crop_mode",),
}
KnownPreprocessing = Mapping[str, Any]  # fields of `Preprocessing` by name: texts, numbers, lists of three numbers
KINDS: dict[str, Any] = {
    "mean": Annotated[list[Annotated[float, Meta(ge=-10, le=10)]], Meta(min_length=3, max_length=3)],
    "std": Annotated[list[Annotated[float, Meta(ge=1e-6, le=10)]], Meta(min_length=3, max_length=3)],
    "crop_fraction": Annotated[float, Meta(ge=0.05, le=1)],
    "interpolation": Literal[INTERPOLATIONS],
    "crop_mode": Literal["center", "squash", "border"],
}
PLACES = ("preprocessing", "pretrained_cfg", "default_cfg", "args")  # where they lie in a file, the first wins
OPTIONS = "--mean, --std, --crop-pct and --interpolation"


def within(content: Mapping[str, object]) -> KnownPreprocessing:
    """Preprocessing in the objects or metadata of a weights file, under `PLACES` or beside one another; {} without."""
    for place in PLACES:
        found = _known(_mapping(content.get(place)))
        if found:
            return found
    return _known(content) if {"mean", "std"} <= content.keys() else {}


def beside(path: Path) -> KnownPreprocessing:
    """Preprocessing in the hub's `config.json` or `preprocessor_config.json` in a weights file's folder, or {}."""
    config = _known(_mapping(_json(path.with_name("config.json")).get("pretrained_cfg")))
    return config or _known(_json(path.with_name("preprocessor_config.json")))


def from_options(
    *, mean: str | None, std: str | None, crop_pct: float | None, interpolation: str | None
) -> KnownPreprocessing:
    """Preprocessing from options, checked: numbers with commas between, a fraction, a name."""
    found: dict[str, Any] = {}
    if mean is not None:
        found["mean"] = _channels("mean", mean, lowest=-10.0)
    if std is not None:
        found["std"] = _channels("std", std, lowest=1e-6)
    if crop_pct is not None:
        if not (isinstance(crop_pct, int | float) and 0.05 <= crop_pct <= 1):
            raise InvalidInputError(
                f"crop-pct must be a fraction from 0.05 to 1; got {crop_pct!r}. Usual are 0.875 and 1."
            )
        found["crop_fraction"] = float(crop_pct)
    if interpolation is not None:
        if interpolation not in INTERPOLATIONS:
            raise InvalidInputError(f"interpolation must be one of {', '.join(INTERPOLATIONS)}; got {interpolation!r}.")
        found["interpolation"] = interpolation
    return found


def notice(name: str, *, known: KnownPreprocessing, taken: KnownPreprocessing, model: str) -> str:
    """The sentence for a user: what images of the weights `name` are fed as, and who says so.

    `taken` is the whole preprocessing, `known` what was written down, `model` whose usual values stand for the rest.
    """
    mean, std = (", ".join(f"{one:.4g}" for one in taken[field]) for field in ("mean", "std"))
    values = f"mean {mean}, std {std}, crop {taken['crop_fraction']:g}, {taken['interpolation']}"
    assumed = [field for field in ("mean", "std", "crop_fraction", "interpolation") if field not in known]
    if not assumed:
        return f"{name}: images are preprocessed as its weights want them: {values}"
    what = "preprocessing" if len(assumed) == 4 else " and ".join(one.replace("_", " ") for one in assumed)
    return f"{name} does not say its {what}: {model}'s is assumed ({values}); {OPTIONS} set another"


def _channels(option: str, value: object, *, lowest: float) -> list[float]:
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
    try:
        found = [float(part) for part in parts]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found = []
    if len(found) not in (1, 3) or not all(lowest <= one <= 10 for one in found):
        raise InvalidInputError(
            f"{option} must be three numbers from {lowest:g} to 10, with commas between, like 0.485,0.456,0.406 of "
            f"pixels from 0 to 1; got {value!r}."
        )
    return found * 3 if len(found) == 1 else found


def _known(values: Mapping[str, object]) -> KnownPreprocessing:
    """The fields that are there and make sense; nobody checked what a stranger wrote."""
    found: dict[str, Any] = {}
    for field, names in NAMES.items():
        value = next((values[name] for name in names if values.get(name) is not None), None)
        with contextlib.suppress(msgspec.ValidationError):
            found[field] = msgspec.convert(value, KINDS[field])
    return found


def _mapping(value: object) -> Mapping[str, object]:
    """A mapping, or the JSON of one: the metadata of safetensors are texts."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, Mapping) else {}


def _json(path: Path) -> Mapping[str, object]:
    try:
        return _mapping(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
