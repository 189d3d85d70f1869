"""The exceptions of the project, and the one form of their messages.

* `TransferBenchError`: anything that the project refuses or cannot do. The command line exits 1.

  * `InvalidInputError`: the user's mistake (also a `ValueError`). The command line exits 2.

    * `CorruptFileError`: a file that is truncated, altered, half written, foreign or of another schema.

  * `OutOfMemoryError`: memory, the processor's or a GPU's, that is used up.
  * `UnavailableError`: something outside (a hub, a compiler, a driver) that is needed and not there.

  * `StorageError`: a disk that is full; `NotWritableError`, also an `InvalidInputError`, for a place that refuses to
  be written. Neither says anything about what was asked: with room again, the same command goes on.

Messages say what must hold, what came, and what to do:
`{thing} must be {expected}; got {actual!r}. {remedy}.`, or `unknown {thing} {actual!r}. {nearest names}.`
"""

import difflib
import importlib
import re
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class TransferBenchError(Exception):
    """Anything that the project refuses or cannot do."""

    exit_code = 1


class InvalidInputError(TransferBenchError, ValueError):
    """The user's mistake: an unknown name, an impossible option, an unusable file."""

    exit_code = 2


class CorruptFileError(InvalidInputError):
    """A file that is truncated, altered, half written, foreign or of another schema."""


class StorageError(TransferBenchError):
    """A disk that is full or refuses to be written."""


class NotWritableError(InvalidInputError, StorageError):
    """A place that must not be written: of somebody else, or mounted for reading only."""


class OutOfMemoryError(TransferBenchError):
    """Memory, the processor's or a GPU's, that is used up."""


class UnavailableError(TransferBenchError):
    """Something outside that is needed and cannot be had here."""


def extra(module: str, *, of: str, thing: str) -> Any:
    """The module, which the optional dependencies `of` install; `UnavailableError`, naming the `thing`, without it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"{module} must be installed for {thing}; it is not. `pip install 'transfer-bench[{of}]'` installs it."
        ) from error


# What other tools call what is meant here, whose names are not alike.
SYNONYMS = {
    "lr": ("learning-rate", "learning-rates"),
    "wd": ("weight-decay", "weight-decays"),
    "bs": ("batch-size",),
    "model": ("network", "backbone", "architecture"),
    "arch": ("network", "backbone", "architecture"),
    "backbone": ("network", "architecture"),
    "network": ("backbone", "architecture"),
    "data": ("dataset",),
    "gpu": ("device",),
    "gpus": ("device",),
    "color": ("color-jitter",),
    "colour": ("color-jitter",),
    "verbose": ("debug",),
}


MOST_LISTED = 20  # names in a sentence


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """A sentence that names the known names most like `name`, best first; all of them if they are few.

    A name that other tools have (`SYNONYMS`) leads to what it is called here. Dashes before names, capital letters and
    a place before the name ("hf-hub:timm/") do not count.
    """
    known = sorted(set(known), reverse=True)
    names = {_bare(one): one for one in known}
    bare = _bare(re.split("[/:]", name.strip())[-1])
    meant = [one for one in SYNONYMS.get(bare, ()) if one in names]
    close = meant or difflib.get_close_matches(bare, names, n=count, cutoff=0.5)
    if close:
        return f"Nearest: {', '.join(names[one] for one in close)}."
    if len(known) <= MOST_LISTED:
        return f"Known: {', '.join(sorted(known))}."
    return f"{len(known)} names are known."


def _bare(name: str) -> str:
    return name.lstrip("-").replace("_", "-").lower()


def unknown(thing: str, *, name: str, known: Iterable[str], remedy: str = "") -> InvalidInputError:
    """The error for a `name` that is not among the `known` ones, with the nearest of them."""
    noun, of, whole = thing.partition(" of ")
    return InvalidInputError(
        f"unknown {noun} {name!r}{of}{whole}. {nearest(name, known)}{' ' + remedy if remedy else ''}"
    )


def reason(error: BaseException) -> str:
    """Message of an error, on one line; never empty."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if error.filename is None else f"{str(error.filename)!r}: {error.strerror}"
    return " ".join(str(error).split()) or "no reason is known"


def sentence(error: BaseException) -> str:
    """An error as one line that a user can act on or report: the project's own words, else where it was raised."""
    if isinstance(error, TransferBenchError | OSError):
        return reason(error)
    if isinstance(error, MemoryError):
        return "memory must suffice for the work; it ran out. Give a smaller batch size or fewer images."
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"unexpected failure{place}: {reason(error)}"
