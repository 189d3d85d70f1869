"""The test images of a test set, when they are at hand, as thumbnails: PNG in data: URIs, each kept once.

A record knows its data by digest, not by path. The images are looked for where the user says (`data_dir`, folders of
photographs) and in the workspace; nothing is downloaded, and a folder counts only with the digest that was recorded.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from extract import cifar, datasets
from extract.decoding import decode
from extract.errors import PipelineError
from extract.images import Pixels, Split, subset
from pipelines.report.results import Result
from pipelines.report.text import printable

SIDE = 64  # pixels at most; smaller images keep their size


@dataclass
class Images:
    """Finds the images of test sets and keeps their thumbnails: `thumbnails[key]` is a data: URI."""

    workspace: Path
    data_dir: Path | None = None
    folders: Sequence[Path] = ()
    thumbnails: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    _splits: dict[tuple[object, ...], Split | None] = field(default_factory=dict)

    def test_split(self, result: Result) -> Split | None:
        """The test images that a result was scored on, in order, or None where they are not at hand."""
        key = result.test_images
        if key not in self._splits:
            sampled = result.dataset.get("test_subset")
            self._splits[key] = self._found(result, "test", test=sampled)
        return self._splits[key]

    def train_split(self, result: Result) -> Split | None:
        """The training images of a result, held-out ones included, or None where they are not at hand."""
        return self._found(result, "train", train=result.dataset.get("subset"))

    def key(self, result: Result, row: int) -> str:
        """The key of the thumbnail of a test image by its row; "" where it is not at hand."""
        split = self.test_split(result)
        if split is None or not 0 <= row < len(split):
            return ""
        digest = str(result.dataset.get("digest"))[:8]
        key = printable(f"{digest}/{split.ids[row]}")
        if key not in self.thumbnails:
            image = _image(split, row)
            if image is None:
                return ""
            self.thumbnails[key] = data_uri(image)
        return key

    def _found(self, result: Result, name: str, *, train: int | None = None, test: int | None = None) -> Split | None:
        try:
            located = self._located(str(result.dataset["name"]), str(result.dataset.get("digest")))
            if located is None:
                return None
            part = subset(datasets.load(located), train=train, test=test, seed=int(result.dataset.get("seed") or 0))
        except PipelineError as error:
            self.problems.append(f"images of {result.dataset['name']} cannot be shown: {error}")
            return None
        return part.splits[name]

    def _located(self, name: str, digest: str) -> datasets.Located | None:
        for dataset, place in self._candidates(name):
            located = datasets.locate(dataset, place, download_dir=self.workspace / "data")
            if located.digest == digest:
                return located
        return None

    def _candidates(self, name: str) -> list[tuple[str, Path | None]]:
        """(data set, its directory) to look at; CIFAR only where it is, so that nothing is downloaded."""
        if name == "digits":
            return [("digits", None)]
        if name in cifar.LAYOUTS:
            places = [self.data_dir, self.workspace / "data"]
            return [(name, place) for place in places if place is not None and cifar.is_in(name, place)]
        return [(str(folder), None) for folder in self.folders if folder.is_dir()]


def data_uri(image: Image.Image) -> str:
    """The image as a PNG in a data: URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _image(split: Split, row: int) -> Image.Image | None:
    if isinstance(split.images, Pixels):
        image = Image.fromarray(np.ascontiguousarray(split.images.array[row].transpose(1, 2, 0)))
    else:
        try:
            image = decode(split.images.paths[row])
        except PipelineError:
            return None  # the run left this file out or saw it readable; either way there is no picture of it now
    image.thumbnail((SIDE, SIDE))
    return image
