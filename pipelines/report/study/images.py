"""The test images of a test set, when they are at hand, as thumbnails: PNG in data: URIs, each kept once.

A record knows its data by digest, not by path. The images are looked for where the user says (`data_dirs`, folders of
photographs) and in the workspace; nothing is downloaded, and a folder counts only with the digest that was recorded.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from extract.data import cifar, datasets
from extract.data.classes import ClassChoice
from extract.data.images import ImageSet, ImageSplit, Pixels, subset
from extract.data.labels.columns import LabelFile
from extract.decoding.decode import decode
from extract.errors import InvalidInputError, TransferBenchError
from pipelines.report.page.text import printable
from pipelines.tasks.explain import data_uri
from pipelines.workspace import image_folders, records
from pipelines.workspace.schema import DatasetUse, DoneRecord, Options

SIDE = 64  # pixels at most; smaller images keep their size
NOT_AT_HAND = " The images are not at hand: name their place with --data-dir or --images."


@dataclass
class Images:
    """Finds the images of test sets and keeps their thumbnails: `thumbnails[key]` is a data: URI."""

    workspace: Path
    data_dirs: Sequence[Path] = ()
    folders: Sequence[Path] = ()
    thumbnails: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _splits: dict[str, ImageSplit | None] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Raises `InvalidInputError` for a folder that is not there."""
        for one in self.folders:
            if not one.is_dir():
                raise InvalidInputError(f"images must be a folder of class folders; got {str(one)!r}. Check the path.")

    def unused(self) -> list[Path]:
        """Those of the `folders` in which no images of a result were found."""
        return [one for one in self.folders if str(one.absolute()) not in self._used]

    def test_split(self, result: DoneRecord) -> ImageSplit | None:
        """The test images that a result was scored on, in order, or None where they are not at hand.

        They are those whose ids the run kept: nothing is drawn again.
        """
        key = result.dataset.test_images
        if key is None:
            return None
        if key not in self._splits:
            self._splits[key] = self._found(result, lambda data: self._scored(data.splits["test"], result))
        return self._splits[key]

    def train_split(self, result: DoneRecord) -> ImageSplit | None:
        """The training images of a result, validation images included, or None where they are not at hand."""
        return self._found(result, lambda data: _trained(data, result))

    def key(self, result: DoneRecord, row: int) -> str:
        """The key of the thumbnail of a test image by its row; "" where it is not at hand."""
        return self.key_of(self.test_split(result), result, row)

    def key_of(self, split: ImageSplit | None, result: DoneRecord, row: int) -> str:
        """The key of the thumbnail of row `row` of a `split` of the result's data; "" where it is not at hand."""
        if split is None or not 0 <= row < len(split):
            return ""
        return self.thumbnail(split, row, digest=str(result.dataset.digest))

    def thumbnail(self, split: ImageSplit, row: int, *, digest: str) -> str:
        """The key of the thumbnail of an image of the data set of this digest; "" where it cannot be read."""
        key = printable(f"{digest[:8]}/{split.ids[row]}")
        if key not in self.thumbnails:
            image = _image(split, row)
            if image is None:
                return ""
            self.thumbnails[key] = data_uri(image)
        return key

    def of_ids(self, dataset: Options, ids: Mapping[str, Sequence[str]]) -> dict[str, ImageSplit] | None:
        """The images with these `ids` of a `dataset`, as a feature file's spec has it, by split and in order.

        None where they are not at hand.
        """
        known = DatasetUse.__struct_fields__
        used = DatasetUse(**{name: one for name, one in dataset.items() if name in known})
        try:
            located = self._located(used)
            splits = {} if located is None else datasets.load(located).splits
        except TransferBenchError as error:
            self._tell(f"images of {used.name} cannot be shown: {error}")
            return None
        found = {name: _of_ids(splits[name], some) for name, some in ids.items() if name in splits}
        present = {name: split for name, split in found.items() if split is not None}
        return present if len(present) == len(ids) else None

    def _found(self, result: DoneRecord, part: Callable[[ImageSet], ImageSplit | None]) -> ImageSplit | None:
        try:
            located = self._located(result.dataset)
            return None if located is None else part(datasets.load(located))
        except TransferBenchError as error:
            self._tell(f"images of {result.dataset.name} cannot be shown: {error}")
            return None

    def _tell(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    def _scored(self, split: ImageSplit, result: DoneRecord) -> ImageSplit | None:
        return _of_ids(split, records.test_ids(self.workspace, result.run))

    def _located(self, used: DatasetUse) -> datasets.Located | None:
        for dataset, place, labels in self._candidates(used):
            root = datasets.root_of(dataset)
            known = None if root is None else image_folders.contents(self.workspace, root, labels)
            downloads = self.workspace / "data"
            try:
                located = datasets.locate(dataset, place, download_dir=downloads, labels=labels, contents=known)
            except TransferBenchError as error:
                self._tell(f"images in {dataset} cannot be shown: {error}")
                continue
            with contextlib.suppress(InvalidInputError):  # a folder without these classes is another data set
                chosen = located.of_classes(ClassChoice(used.classes))
                if chosen.digest == used.digest:
                    self._used.add(dataset)
                    return chosen
        return None

    def _candidates(self, used: DatasetUse) -> list[tuple[str, Path | None, LabelFile | None]]:
        """(data set, its directory, its file of labels) to look at; nothing is downloaded.

        CIFAR is looked for where it is. Folders are those that the user named, and where the workspace remembers the
        data set.
        """
        name, whole = used.name, None if used.classes else used.digest
        folders = [*((one, None) for one in self.folders), *image_folders.roots(self.workspace, whole)]
        found: list[tuple[str, Path | None, LabelFile | None]] = [
            (str(one.absolute()), None, labels) for one, labels in folders if one.is_dir()
        ]
        if name == "digits":
            found.append(("digits", None, None))
        if datasets.is_cifar(name):
            directories = [*self.data_dirs, self.workspace / "data"]
            found += [(name, place, None) for place in directories if cifar.is_in(datasets.published(name), place)]
        return found


def _of_ids(split: ImageSplit, ids: Sequence[str]) -> ImageSplit | None:
    """The images with these ids, in their order; None where one is not among them."""
    rows = {name: row for row, name in enumerate(split.ids)}
    known = [rows[name] for name in ids if name in rows]
    return split.take(np.array(known, np.int64)) if len(known) == len(ids) else None


def _trained(data: ImageSet, result: DoneRecord) -> ImageSplit:
    """The training images as the run drew them, from those that it could read."""
    split, skipped = data.splits["train"], set(result.choice.skipped or ())
    readable = split.take(np.array([row for row, name in enumerate(split.ids) if name not in skipped], np.int64))
    used = result.dataset
    readable_images = replace(data, splits={"train": readable})
    return subset(readable_images, train=used.subset, test=None, seed=used.seed or 0).splits["train"]


def _image(split: ImageSplit, row: int) -> Image.Image | None:
    if isinstance(split.images, Pixels):
        image = Image.fromarray(np.ascontiguousarray(split.images.array[row].transpose(1, 2, 0)))
    else:
        try:
            image = decode(split.images.path(row), max_pixels=None)
        except TransferBenchError:
            return None  # the run left this file out or saw it readable; either way there is no picture of it now
    image.thumbnail((SIDE, SIDE))
    return image
