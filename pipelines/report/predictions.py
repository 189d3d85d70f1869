"""A page of predictions: each image with its likeliest classes, and the training images that are nearest to it."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.decoding.decode import UnreadableImage, decode
from extract.runtime.formats import percent, plural, written
from pipelines.report.page import render
from pipelines.report.page.blocks import Block, Card, Cards, Gallery, Picture, Section
from pipelines.report.page.text import clipped, printable
from pipelines.report.study.images import Images
from pipelines.tasks.explain import data_uri
from pipelines.workspace import records, writable
from pipelines.workspace.schema import DoneRecord

SIDE = 240  # pixels of an image on the page, at most
SHOWN = 5  # classes of an image that are listed


@dataclass(frozen=True)
class Near:
    """A training image near to a new one: its id, its class, and how similar its features are."""

    id: str
    class_name: str
    similarity: float


@dataclass(frozen=True)
class Photo:
    """A new image and its answer: the likeliest classes, their set (None: not asked for), what is unlike, what is near.

    `farther_than` is the share of the validation images that are nearer to the training images; None if not known.
    """

    path: Path
    top: Sequence[tuple[str, float]]
    classes: Sequence[str] | None
    farther_than: float | None
    is_unlike: bool
    near: Sequence[Near]


def write(output: Path, photos: Sequence[Photo], *, result: DoneRecord, images: Images, coverage: float | None) -> None:
    """Write the page to the file `output`; training images stand on it where they are at hand."""
    split = images.train_split(result) if any(photo.near for photo in photos) else None
    rows = {} if split is None else {name: row for row, name in enumerate(split.ids)}
    galleries: list[Block] = [_cards(photos, result)]
    for number, photo in enumerate(photos):
        near = [_near(one, images.key_of(split, result, rows.get(one.id, -1))) for one in photo.near]
        title, own = clipped(printable(str(photo.path))), _own(photo, number, images, coverage)
        galleries.append(Gallery(title, _caption(photo), [own, *near]))
    lead = (
        "First the image with its likeliest classes, then the training images whose features are nearest to its own. "
        "An image is called unlike anything seen where it is farther from the training images than 99 % of the "
        "validation images; the class that is then named means little."
    )
    sections = [Section("predictions", "Predictions", lead, galleries)]
    text = render.page(
        sections,
        title="Predictions",
        lead=f"{plural(len(photos), 'image')} by {result.name}, run {result.run}.",
        made=f"Made {records.now()[:10]}",
        thumbnails=images.thumbnails,
    )
    writable.write("report", output, text)


def _cards(photos: Sequence[Photo], result: DoneRecord) -> Cards:
    low, high = result.test.interval
    unlike = sum(photo.is_unlike for photo in photos)
    known = [photo for photo in photos if photo.farther_than is not None]
    cards = [
        Card("Images", str(len(photos)), f"classified among {plural(len(result.class_names), 'class')}"),
        Card(
            "Test accuracy of the run",
            percent(result.test.accuracy, 1),
            f"95 % interval {percent(low, 1)} to {percent(high, 1)}",
        ),
    ]
    if known:
        cards.append(Card("Unlike anything seen", str(unlike), f"of {len(known)} images; about 1 % by chance"))
    return Cards(cards)


def _caption(photo: Photo) -> str:
    if photo.farther_than is None:
        return ""
    far = f"arther from the training images than {percent(photo.farther_than, 1)} of the validation images."
    return f"Unlike anything seen: f{far}" if photo.is_unlike else f"F{far}"


def _own(photo: Photo, number: int, images: Images, coverage: float | None) -> Picture:
    key = ""
    with contextlib.suppress(UnreadableImage):  # what came through a pipe is there no more
        image = decode(photo.path, max_pixels=None)
        image.thumbnail((SIDE, SIDE))
        key = f"photo-{number}"
        images.thumbnails[key] = data_uri(image)
    lines = [(name, percent(share, 1)) for name, share in photo.top[:SHOWN]]
    if photo.classes is not None and coverage is not None:
        lines.append((f"{written(100 * coverage)} % set", ", ".join(photo.classes) or "none"))
    return Picture(key, lines)


def _near(one: Near, key: str) -> Picture:
    return Picture(key, [("near", one.class_name), ("similarity", f"{one.similarity:.2f}"), ("", one.id)])
