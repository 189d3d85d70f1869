"""Places where the user wants files, and what may lie there."""

from pathlib import Path

from tests.pipelines.cli.inputs.case import FIT, Case, make_photos

LONG = "x" * 300  # one name may have 255 bytes
DRAW = ("describe", "--network", "resnet8", "--drawing")


def _links(folder: Path) -> None:
    make_photos(folder / "photos")
    (folder / "precious.txt").write_text("precious")
    (folder / "out.csv").symlink_to("precious.txt")
    (folder / "nowhere.csv").symlink_to("missing/file.csv")
    (folder / "loop").symlink_to("loop")


CASES = [
    Case("a listing into a link", (("runs", "--csv", "out.csv", "--json"),), _links),
    Case("a listing into a link that leads nowhere", (("runs", "--csv", "nowhere.csv", "--json"),), _links),
    Case("a listing into a device", (("runs", "--csv", "/dev/null", "--json"),)),
    Case("a listing onto a full device", (("runs", "--csv", "/dev/full"),), statuses=(1,), says="must have room"),
    Case("a listing into a folder", (("runs", "--csv", ".", "--json"),), statuses=(2,), says="Is a directory"),
    Case("a listing into no folder", (("runs", "--csv", "no/x.csv"),), statuses=(2,), says="No such file"),
    Case("a drawing into no folder", ((*DRAW, "no/x.svg"),), statuses=(2,), says="no/x.svg"),
    Case("a drawing into /proc", ((*DRAW, "/proc/x.svg"),), statuses=(2,), says="/proc/x.svg"),
    Case(
        "a workspace that is a file",
        ((*FIT, "photos", "--workspace", "precious.txt"),),
        _links,
        statuses=(2,),
        says="precious.txt",
    ),
    Case(
        "a workspace that is a link to itself",
        (("runs", "--workspace", "loop"), (*FIT, "photos", "--workspace", "loop")),
        _links,
        statuses=(2,),
        says="got the link that leads nowhere 'loop'",
    ),
    *(
        Case(f"a name that is too long: {words[0]}", (words,), statuses=(2,), says="File name too long")
        for words in (("runs", "--workspace", LONG), ("fit-head", "--features", LONG), ("runs", "--csv", LONG))
    ),
    Case(
        "a page into no folder that can be made",
        ((*FIT, "photos"), ("report", "--output", "precious.txt/page.html")),
        _links,
        statuses=(0, 2),
        says="precious.txt/page.html",
    ),
    Case(
        "figures into a file",
        ((*FIT, "photos"), ("report", "--figures", "precious.txt")),
        _links,
        statuses=(0, 2),
        says="precious.txt",
    ),
]
