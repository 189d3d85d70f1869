"""The data set that a spec names: found, read, and refused before anything is paid for. Imports no torch."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from extract.data import datasets
from pipelines.workspace import image_folders

Progress = Callable[[int, int], None]


class DataSpec(Protocol):
    """What a spec says of its data."""

    @property
    def dataset(self) -> str: ...
    @property
    def data_dir(self) -> str | None: ...
    @property
    def on_bad_image(self) -> str: ...
    @property
    def max_pixels(self) -> int: ...


def silent(*_: object) -> None:
    """Takes anything and says nothing."""


def located(
    spec: DataSpec, workspace: Path, *, progress: Progress = silent, before_download: Callable[[], object] = silent
) -> datasets.Located:
    """Where the spec's data set is; CIFAR is downloaded into the workspace's `data/` when it is nowhere.

    What a folder's files hold is remembered by the workspace; `progress(done, total)` counts those that are read.
    Empty files are refused here unless bad images are to be skipped.
    """
    if not is_here(spec, workspace):
        before_download()
    root = datasets.root_of(spec.dataset)
    root = root if root is not None and os.path.isdir(root) else None
    known = None if root is None else image_folders.contents(workspace, root)
    found = datasets.locate(
        spec.dataset, _data_dir(spec), download_dir=workspace / "data", contents=known, progress=progress
    )
    if root is not None:
        image_folders.remember(workspace, root, digest=found.digest)
    if found.folder is not None and spec.on_bad_image == "error":
        found.folder.must_have_no_empty_file()
    return replace(found, max_pixels=spec.max_pixels)


def is_here(spec: DataSpec, workspace: Path) -> bool:
    """Whether the spec's data set can be located without a download."""
    return datasets.is_here(spec.dataset, _data_dir(spec), download_dir=workspace / "data")


def expand(spec: object) -> None:
    """Puts the paths of a spec whose names begin with ~ into the user's folder."""
    for name in ("dataset", "data_dir", "weights"):
        given = getattr(spec, name)
        if isinstance(given, str) and given.startswith("~"):
            object.__setattr__(spec, name, home(given))


def home(path: str) -> str:
    """`path` with a leading ~ (or ~NAME/) as the user's folder, as a shell writes it; a file may be called ~NAME."""
    return os.path.expanduser(path) if path == "~" or "/" in path else path


def _data_dir(spec: DataSpec) -> Path | None:
    return None if spec.data_dir is None else Path(spec.data_dir)
