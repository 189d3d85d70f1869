"""What a new user types: other tools' names, nothing where something is needed, several runs, strange class names."""

from pathlib import Path

from tests.pipelines.cli.inputs.case import FIT, Case, make_photos

STRANGE = ("constructor", "__proto__", "toString", "n" * 200, "עברית \u202eתומך", "\x1b[31mred\x1b[0m")
STUDY = """
defaults: {backbone: test_resnet, weights: untrained, dataset: DIGITS, image-size: 32, subset: 60, test-subset: 50}
jobs:
  - {command: fit-head, head: centroid, seed: [0, 1]}
"""


def _study(folder: Path) -> None:
    (folder / "study.yaml").write_text(STUDY)


CASES = [
    Case("comparing where nothing was run", (("compare", "a", "b", "--json"),), statuses=(2,), says="has no runs"),
    Case("comparing one run", (("compare", "a"),), statuses=(2,), says="must be at least two"),
    Case("another tool's learning rate", (("train", "--lr", "0.1"),), statuses=(2,), says="--learning-rate."),
    Case("another tool's model", (("extract", "--model", "resnet18"),), statuses=(2,), says="--backbone."),
    Case("an option under its former name", (("train", "--optimiser", "sgd"),), statuses=(2,), says="--optimizer"),
    Case("a network named twice", (("train", "resnet20", "--network", "vgg11"),), statuses=(2,), says="named once"),
    Case("a network that is not named", (("describe",),), statuses=(2,), says="must be named"),
    Case("a recipe that is misspelt", (("recipes", "shrot", "--json"),), statuses=(2,), says="short"),
    Case(
        "CIFAR10_DIR that leads nowhere",
        (("fit-head",), ("train", "resnet20"), ("extract", "--json")),
        statuses=(2,),
        says="/nowhere",
        environment={"CIFAR10_DIR": "/nowhere"},
    ),
    Case(
        "class names that are keys of every object, and escape codes",
        ((*FIT, "photos"), ("report", "--figures", "figures", "--json"), ("runs", "--join-seeds", "--json")),
        lambda folder: make_photos(folder / "photos", STRANGE, count=5),
    ),
    Case(
        "seeds that draw other images",
        (("run", "study.yaml", "--dry-run"), ("run", "study.yaml", "--dry-run", "--json")),
        _study,
        says="2 extractions instead of 1",
    ),
]
