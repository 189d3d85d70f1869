"""Names that a terminal or a spreadsheet would obey."""

from pathlib import Path

from tests.pipelines.cli.inputs.case import BACKBONE, Case, make_photos

ESCAPES, FORMULA, NEWLINE, TURNED = "\x1b[31mred\x1b[2J", "=cmd|'calc'!A0", "two\nlines", "a\u202eb"
FIT = ("fit-head", *BACKBONE, "--head", "centroid", "--dataset", "photos", "--workspace", "W")


def _photos(*classes: str):
    return lambda folder: make_photos(folder / "photos", classes)


CASES = [
    Case(
        "class names with escape codes",
        (FIT, ("runs", "--workspace", "W")),
        _photos(ESCAPES, NEWLINE, TURNED),
    ),
    Case(
        "class names with escape codes, as JSON",
        ((*FIT, "--json"), ("runs", "--workspace", "W", "--json")),
        _photos(ESCAPES, NEWLINE, TURNED),
    ),
    Case(
        "a folder whose name has escape codes",
        (
            ("fit-head", *BACKBONE, "--head", "centroid", "--dataset", ESCAPES, "--workspace", "W"),
            ("runs", "--workspace", "W"),
        ),
        lambda folder: make_photos(Path(folder) / ESCAPES),
        says=r"\x1b[31mred\x1b[2J",
    ),
    Case("a command that is an escape code", ((ESCAPES,),), statuses=(2,), says=r"\x1b[31mred"),
    Case(
        "a value of an option that is an escape code",
        (("fit-head", "--head", ESCAPES, "--json"),),
        statuses=(2,),
    ),
    Case("a description for an ASCII terminal", (("describe", "--network", "resnet20"),), says="layer3"),
]
