"""Study and search files whose YAML is odd: its old surprises, aliases that multiply, broken layout."""

from tests.pipelines.cli.inputs.case import FIT, Case, make_photos
from tests.pipelines.fitting import UNTRAINED

FEATURES = (
    *("extract", *UNTRAINED, "--image-size", "32", "--dataset", "digits"),
    *("--subset", "100", "--test-subset", "20"),
)
SEARCH = ("search", "space.yaml", "--trials", "1")
DOUBLED = "\n".join(
    ["a0: &a0 {subset: 1}", *(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, 26)), "jobs: *a25"]
)


def written(name: str, text: str):
    """A file of this text."""
    return lambda folder: (folder / name).write_text(text)


def lone_photos(folder):
    """One photograph of each class to train on."""
    make_photos(folder / "D" / "train", count=1)
    make_photos(folder / "D" / "test", count=1)


CASES = [
    Case(
        "aliases that multiply",
        (("run", "s.yaml", "--dry-run", "--json"),),
        written("s.yaml", DOUBLED),
        statuses=(2,),
        says="aliases written out",
    ),
    Case(
        "an entry out of line",
        (("run", "s.yaml", "--dry-run"),),
        written("s.yaml", "jobs:\n  - command: train\n    - epochs: 1\n"),
        statuses=(2,),
        says="s.yaml:3:5: study must be valid YAML; a",
    ),
    Case(
        "a default that only some jobs have",
        (("run", "s.yaml", "--dry-run"),),
        written(
            "s.yaml",
            "defaults: {epochs: 1, dataset: digits}\njobs:\n  - {command: fit-head, backbone: test_resnet, weights: "
            "untrained, image-size: 32}\n  - {command: train, network: resnet20}\n",
        ),
    ),
    Case(
        "a default that no network takes",
        (("run", "s.yaml", "--dry-run"),),
        written(
            "s.yaml",
            "defaults:\n  dataset: digits\n  epochs: 0\njobs:\n  - {command: train, network: resnet20}\n",
        ),
        statuses=(2,),
        says="s.yaml:3:11: epochs must be",
    ),
    Case(
        "a space with words where numbers belong",
        (FEATURES, (*SEARCH, "--head", "linear")),
        written("space.yaml", "label_smoothing: [no, 0.1]\n"),
        statuses=(0, 2),
        says="choices of label_smoothing must be a number; got 'no'",
    ),
    *(
        Case(
            f"a data set's name of {what}",
            (("run", "s.yaml", "--dry-run", "--json"),),
            written("s.yaml", f'{{"jobs": [{{"command": "train", "network": "resnet20", "dataset": "{name}"}}]}}'),
            statuses=(status,),
            says=says,
        )
        for what, name, status, says in (
            ("a NUL", "a\\0b", 2, "text must hold no NUL"),
            ("half a character", "\\ud83d", 2, "must be of whole characters"),
            ("two halves of a character", "\\ud83d\\ude00", 0, '"impossible": 1'),
            ("no letter", "", 0, '"impossible": 1'),
            ("5,000 letters", "x" * 5000, 0, '"impossible": 1'),
        )
    ),
    Case(
        "a study without a name",
        (("run", "s.yaml", "--dry-run", "--json"),),
        written("s.yaml", "name:\njobs:\n  - {command: train, network: resnet20, dataset: digits, epochs: 1}\n"),
        says='"study": "s"',
    ),
    Case(
        "one photograph of each class",
        ((*FIT, "D"),),
        lone_photos,
        statuses=(2,),
        says="--validation none",
    ),
]
