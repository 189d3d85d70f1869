"""The weights of classes as a command gives them: a word, or a file of classes and numbers. Imports no torch."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from extract.errors import InvalidInputError
from heads.imbalance.class_weights import NAMED, check_weights

NAME = "class_weights"  # of the option


def resolved(options: Mapping[str, Any]) -> dict[str, Any]:
    """`options` with the weights that a file holds in place of its name; without what is none, as if not given."""
    given = options.get(NAME)
    found = {name: value for name, value in options.items() if name != NAME}
    if given is None or given == "none":
        return found
    is_file = isinstance(given, str) and given not in NAMED
    return {**found, NAME: read(Path(given)) if is_file else given}


def labeled(options: Mapping[str, Any], class_names: Sequence[str]) -> dict[str, Any]:
    """`options` with weights by label, the place among `class_names`, in place of weights by name.

    Raises `InvalidInputError` for a class that there is not.
    """
    given = options.get(NAME)
    if not isinstance(given, Mapping):
        return dict(options)
    check_weights(given, known=list(class_names))
    return {**options, NAME: {class_names.index(name): weight for name, weight in given.items()}}


def read(path: Path) -> dict[str, float]:
    """Weights by class name from a file of lines CLASS,WEIGHT; a first line without a number is a heading.

    Raises `InvalidInputError`, with the line, for anything else.
    """
    try:
        rows = list(csv.reader(path.read_text("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidInputError(
            f"class-weights must be none, balanced, or a file of lines CLASS,WEIGHT; got {str(path)!r} ({reason}). "
            "Correct the word or the path."
        ) from error
    found: dict[str, float] = {}
    for number, row in enumerate(rows, start=1):
        cells = [cell.strip() for cell in row]
        weight = _number(cells[1]) if len(cells) == 2 else None
        if not any(cells) or (number == 1 and len(cells) == 2 and weight is None):
            continue
        if weight is None or not 0 < weight < float("inf") or cells[0] in found:
            what = "the class a second time" if weight is not None and cells[0] in found else repr(",".join(row))
            raise InvalidInputError(
                f"class-weights must be one line CLASS,WEIGHT a class, the weight above zero; got {what} in line "
                f"{number} of {str(path)!r}. Correct the line."
            )
        found[cells[0]] = weight
    if not found:
        raise InvalidInputError(
            f"class-weights must be lines CLASS,WEIGHT; got none in {str(path)!r}. Add one a class."
        )
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
