"""Networks, recipes and batches that fit one another or not."""

from pathlib import Path

from tests.pipelines.cli.inputs.case import BACKBONE, TRAIN, Case

FEW = ("--dataset", "digits", "--subset", "5", "--test-subset", "20")
NETWORK = ("--network", "test_resnet", "--image-size", "32", "--epochs", "1", "--batch-size", "4")
NO_CLASS = "--subset must keep a training image of each of the 10 classes; got 5"


def write_study(folder: Path, job: str) -> None:
    """A study of one job."""
    (folder / "study.yaml").write_text(f"jobs:\n  - {{{job}}}\n")


DRY = ("run", "study.yaml", "--dry-run", "--json")
IMPOSSIBLE = '"missing": 0, "impossible": 1'
JOBS = {
    "train": "command: train, network: test_resnet, dataset: digits, image-size: 32, batch-size: 4",
    "fit-head": "command: fit-head, backbone: test_resnet, weights: untrained, dataset: digits, image-size: 32",
    "extract": "command: extract, backbone: test_resnet, weights: untrained, dataset: digits, image-size: 32",
}


CASES = [
    Case(
        "another depth than the name's",
        (("describe", "--network", "densenet121", "--depth", "40"),),
        says="DenseNet-BC of 40 layers",
    ),
    *(
        Case(
            f"{option[2:]} {name!r}",
            ((command, option, name, *more),),
            statuses=(2,),
            says=f"{name!r}. Nearest: test_resnet",
        )
        for command, option, more in (
            ("train", "--network", ("--dataset", "digits")),
            ("extract", "--backbone", ("--weights", "untrained")),
        )
        for name in ("test_resnet.", "TEST_RESNET", "hf-hub:timm/test_resnet", " test_resnet")
    ),
    Case(
        "a family without a depth",
        (("describe", "--network", "densenet"),),
        statuses=(2,),
        says="network must be named with its depth; got 'densenet'",
    ),
    Case("layers that the name counts", (("describe", "--network", "vgg16"),), says="1 linear layer in place of 3"),
    Case(
        "a recipe made for another network",
        (("train", *TRAIN, "--recipe", "airbench94", "--batch-size", "64"),),
        statuses=(2,),
        says="network of the recipe airbench94 must be airbench94",
    ),
    Case(
        "a recipe brings its network",
        (
            ("train", *TRAIN[2:], "--recipe", "airbench94", "--batch-size", "64", "--width", "0.125", "--json"),
            ("runs", "--json"),
        ),
        says='"airbench94',
    ),
    Case(
        "parts of a batch of one image",
        (("train", *TRAIN, "--batch-size", "8", "--accumulate", "8"),),
        statuses=(2,),
        says="part of a batch must be at least 2 images",
    ),
    Case(
        "a plan of parts of a batch of one image",
        (DRY,),
        lambda folder: write_study(folder, f"{JOBS['train']}, accumulate: 4"),
        statuses=(2,),
        says="part of a batch must be at least 2 images",
    ),
    *(
        Case(f"a subset without all classes, {words[0]}", (words,), statuses=(2,), says=NO_CLASS)
        for words in (
            ("train", *NETWORK, *FEW),
            ("finetune", *NETWORK, "--weights", "untrained", "--mode", "head-first", *FEW),
            ("extract", *BACKBONE, *FEW),
            ("fit-head", *BACKBONE, *FEW),
            ("search", "--head", "logistic", *BACKBONE, *FEW),
            ("search", *NETWORK, *FEW),
        )
    ),
    *(
        Case(
            f"a plan of a subset without all classes, {command}",
            (DRY,),
            lambda folder, job=job: write_study(folder, f"{job}, subset: 5"),
            says=IMPOSSIBLE,
        )
        for command, job in JOBS.items()
    ),
    Case(
        "a plan of more validation images than there are",
        (DRY,),
        lambda folder: write_study(folder, f"{JOBS['fit-head']}, subset: 20, validation: 15"),
        says=IMPOSSIBLE,
    ),
    Case(
        "a network that pools by attention",
        (
            ("train", "--network", "test_vit3", *NETWORK[2:], "--dataset", "digits", "--subset", "20", "--json"),
            ("runs", "--json"),
        ),
        says="test_vit3",
    ),
]
