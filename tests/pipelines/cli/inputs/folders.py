"""Folders of images as people, cameras and network storage leave them."""

import os
import shutil
import unicodedata
from pathlib import Path

from tests.pipelines.cli.inputs.case import BACKBONE, FIT, Case, make_photos

EXTRACT = ("extract", *BACKBONE, "--dataset", "D")
CHEAP = (*FIT, "D")
PLAN = ("run", "study.yaml", "--dry-run", "--json")


def photos(folder: Path, *classes: str, count: int = 4) -> Path:
    """The data set D."""
    make_photos(folder / "D", classes or ("red", "blue"), count=count)
    return folder / "D"


def studied(folder: Path, dataset: str) -> None:
    """A study of one extraction of `dataset`."""
    words = "backbone: test_resnet, weights: untrained, image-size: 64"
    (folder / "study.yaml").write_text(f"jobs:\n  - {{command: extract, {words}, dataset: {dataset}}}\n")


def copied(folder: Path, *places: str) -> None:
    """The photograph red/00.png at other places of D, too."""
    root = photos(folder)
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / "red" / "00.png", root / place)


def of_two_forms(folder: Path) -> None:
    """A class whose name is composed in training and decomposed in test."""
    for split, form in (("train", "NFC"), ("test", "NFD")):
        make_photos(folder / "D" / split, (unicodedata.normalize(form, "Übung"), "blue"), count=4)


def with_bad_images(folder: Path) -> None:
    """Two images that are none and one that is empty."""
    root = photos(folder)
    (root / "red" / "00.png").write_bytes(b"no image")
    (root / "blue" / "01.png").write_bytes(b"none either")


def with_empty_files(folder: Path) -> None:
    """Two empty files."""
    root = photos(folder)
    for name in ("red/00.png", "blue/01.png"):
        (root / name).write_bytes(b"")
    studied(folder, "D")


def in_data(folder: Path) -> None:
    """Photographs here, so that the workspace comes to lie among them."""
    make_photos(folder, ("red", "blue"), count=4)


CASES = [
    Case("the workspace among the class folders", ((*FIT, ".", "--workspace", "w"),) * 2, in_data),
    Case("the data set's folder as the workspace", ((*FIT, ".", "--workspace", "."),) * 2, in_data),
    Case("a class called train", (CHEAP,), lambda folder: photos(folder, "train", "red"), says="read as a class"),
    Case(
        "classes in train beside others",
        (CHEAP,),
        lambda folder: copied(folder, "train/a/0.png", "train/b/0.png"),
        statuses=(2,),
        says="either classes or splits",
    ),
    Case(
        "a test folder beside classes",
        (CHEAP,),
        lambda folder: copied(folder, "test/0.png"),
        statuses=(2,),
        says="must have a training split",
    ),
    Case(
        "network storage's thumbnails",
        ((*CHEAP, "--json"),),
        lambda folder: copied(folder, "red/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "@eaDir/0.png"),
        says="2 system files or folders",
    ),
    Case("an empty folder", (CHEAP,), lambda folder: (photos(folder) / "lost").mkdir(), says="without images (lost)"),
    Case("a link to itself", (CHEAP,), lambda folder: (photos(folder) / "self").symlink_to("."), says="(self)"),
    Case(
        "a broken link",
        (CHEAP,),
        lambda folder: (photos(folder) / "red" / "x.png").symlink_to("no"),
        says="1 broken link",
    ),
    Case("a pipe among images", (CHEAP,), lambda folder: os.mkfifo(photos(folder) / "red" / "p.png"), says="1 pipe or"),
    Case("names in two Unicode forms", (CHEAP,), of_two_forms),
    Case("a long Chinese name", ((*FIT, "图" * 80),), lambda folder: photos(folder).rename(folder / ("图" * 80))),
    Case("a name that is no text", ((*FIT, "D\udcff"),), lambda folder: photos(folder).rename(folder / "D\udcff")),
    Case("a name that is too long", ((*FIT, "x" * 300),), statuses=(2,), says="unknown data set"),
    Case("a name with a line's end", ((*FIT, "a\nb"),), lambda folder: photos(folder).rename(folder / "a\nb")),
    Case(
        "the photograph in training and test",
        (CHEAP,),
        lambda folder: [make_photos(folder / "D" / split, ("red", "blue"), count=4) for split in ("train", "test")],
        says="8 of 8 test images are training images",
    ),
    Case(
        "bad images",
        (EXTRACT, (*EXTRACT, "--on-bad-image", "skip", "--json")),
        with_bad_images,
        statuses=(2, 0),
        says="2 unreadable images skipped",
    ),
    Case("all bad images at once", (EXTRACT,), with_bad_images, statuses=(2,), says="got 2 that are not"),
    Case(
        "empty files",
        (EXTRACT, PLAN),
        with_empty_files,
        statuses=(2, 0),
        says='"impossible": 1',
    ),
    Case(
        "a folder called like a built-in data set",
        (("extract", *BACKBONE, "--dataset", "digits", "--subset", "20", "--test-subset", "10"),),
        lambda folder: make_photos(folder / "digits", ("zero", "one"), count=4),
        says="give ./digits",
    ),
    Case(
        "a folder called like a built-in data set, by its path",
        (("extract", *BACKBONE, "--dataset", "./digits"),),
        lambda folder: make_photos(folder / "digits", ("zero", "one"), count=4),
        says="8 rows",
    ),
    Case(
        "a study's folder at home",
        (PLAN,),
        lambda folder: (photos(folder), studied(folder, "~/D")),
        says='"missing": 1',
        environment={"HOME": "."},
    ),
    Case(
        "classes whose names differ by case and spaces",
        (CHEAP,),
        lambda folder: photos(folder, "cat", "Cat", "cat "),
        says="3 classes whose names differ only by case, spaces or how a number is written ('Cat', 'cat', 'cat ')",
    ),
    Case(
        "a test split that is a link to the training split",
        (CHEAP,),
        lambda folder: (make_photos(folder / "D" / "train"), (folder / "D" / "test").symlink_to("train")),
        statuses=(2,),
        says="test split must hold images of its own",
    ),
    Case(
        "splits of other names",
        (CHEAP,),
        lambda folder: [make_photos(folder / "D" / name, count=4) for name in ("training_set", "test_set")],
        says="every class folder holds the same sub-folders (blue, red)",
    ),
    Case(
        "images without classes",
        (CHEAP,),
        lambda folder: photos(folder / "x").joinpath("red").rename(folder / "D"),
        statuses=(2,),
        says="Put the images of each class into a folder of its own, or name a table of labels with --labels",
    ),
    Case(
        "class folders without suffixes",
        (CHEAP,),
        lambda folder: [path.rename(path.with_suffix("")) for path in photos(folder).rglob("*.png")],
        statuses=(2,),
        says="Files are images by their suffix",
    ),
    *(
        Case(f"{words[0]} with an empty word", (words,), in_data, statuses=(2,), says=says)
        for words, says in (
            ((*FIT, ""), "got '' after '--dataset'"),
            (("extract", *BACKBONE, "--dataset="), "got '' after '--dataset'"),
            (("predict", "--run", "x", ""), "words of a command must not be empty"),
            (("runs", "--workspace", ""), "got '' after '--workspace'"),
        )
    ),
    Case("an archive", ((*FIT, "D.zip"),), lambda folder: (folder / "D.zip").touch(), statuses=(2,), says="Unpack it"),
    Case("a data set that is a pipe", ((*FIT, "p"),), lambda folder: os.mkfifo(folder / "p"), statuses=(2,)),
]
