"""Networks, recipes and batches that fit one another or not."""

from tests.pipelines.cli.inputs.case import TRAIN, Case

CASES = [
    Case(
        "another depth than the name's",
        (("describe", "--network", "densenet121", "--depth", "40"),),
        says="DenseNet-BC of 40 layers",
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
        (("train", *TRAIN, "--recipe", "sprint", "--batch-size", "64"),),
        statuses=(2,),
        says="network of the recipe sprint must be sprint",
    ),
    Case(
        "a recipe brings its network",
        (
            ("train", *TRAIN[2:], "--recipe", "sprint", "--batch-size", "64", "--width", "0.125", "--json"),
            ("runs", "--json"),
        ),
        says='"sprint',
    ),
    Case(
        "parts of a batch of one image",
        (("train", *TRAIN, "--batch-size", "8", "--accumulate", "8"),),
        statuses=(2,),
        says="part of a batch must be at least 2 images",
    ),
]
