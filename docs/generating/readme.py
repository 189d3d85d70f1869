"""The table of the README."""

from pathlib import Path

from generating.files import read
from generating.markdown import interval, number, percent, table

README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- results: written by docs/generate.py -->", "<!-- end of results -->"
IN_README = {
    "645fb4e009dd": "kernel head, mirrored views",
    "064857617516": "MLP head, mirrored views",
    "b01234c3240a": "logistic head, bfloat16",
    "fbf03fe59f33": "`airbench94` from scratch, bfloat16, one core",
    "2aa617b753d4": "`resnet20` from scratch, one core",
}


def readme() -> str:
    """Return the README with its table of results written anew."""
    runs = {run["run"]: run for file in read("runs") for run in file["runs"]}
    rows = []
    for name, label in IN_README.items():
        run = runs[name]
        minutes = sum(run[f"{phase}_seconds"] or 0 for phase in ("extraction", "search", "fit")) / 60
        accuracy = (percent(run["test_accuracy"]), interval(run), percent(run["test_tta_accuracy"]))
        rows.append([label, *accuracy, number(run["bytes"] / 1e6, 1), number(minutes)])
    text = table(["model", "test", "95 % interval", "views averaged", "MB", "minutes"], rows)
    before, _, rest = README.read_text().partition(BEGIN)
    return before + BEGIN + "\n" + text + END + rest.partition(END)[2]
