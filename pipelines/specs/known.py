"""The built-in data sets: their names in any case, and where they lie on this machine. Imports no torch."""

import os
from collections.abc import Mapping
from typing import Any

from extract.data.datasets import NAMES

DEFAULT = "cifar10"


def dataset_name(given: str) -> str:
    """`given` as the built-in data set is called that it names in another case, unless it is a folder here."""
    name = given.lower()
    return name if name in NAMES and given != name and not os.path.exists(given) else given


def with_data_dir(given: Mapping[str, Any], data_dirs: Mapping[str, str]) -> dict[str, Any]:
    """The options `given`; `data_dirs` (name -> directory) say where their data set is if they do not."""
    name = dataset_name(str(given.get("dataset") or DEFAULT))
    known = given.get("data_dir") or data_dirs.get(name)
    return dict(given) if known is None else {**given, "data_dir": known}
