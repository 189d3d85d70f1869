"""Published test accuracies of small networks on CIFAR-10 and its parts, as points of reference beside own runs.

Read in November 2026 in the sources named. Other protocols made them: most chose the epoch by the test images.
"""

from dataclasses import dataclass

from extract.data import datasets

KUANGLIU = "kuangliu/pytorch-cifar, README"
RERUN = "re-runs of kuangliu/pytorch-cifar"
BEST_TEST = "best test epoch"
COSINE = "200 epochs, cosine"
HE, HE_PREACT = "He et al. 2015", "He et al. 2016"
HUANG = "Huang et al. 2017"
STUDENT = "a student's public slides"
GRID = "best of a grid of 48 runs"


@dataclass(frozen=True)
class Published:
    """A test `accuracy` (a share) of a `network`, called as in `pipeline networks` where it is there.

    `dataset` is what it was trained and tested on; `chosen` says how the epoch or run was chosen.
    """

    network: str
    accuracy: float
    parameters: int
    chosen: str
    source: str
    dataset: str = "cifar10"


POINTS = (
    Published("vgg16", 0.9264, 14_728_266, BEST_TEST, KUANGLIU),
    Published("resnet18", 0.9302, 11_173_962, BEST_TEST, KUANGLIU),
    Published("resnet50", 0.9362, 23_520_842, BEST_TEST, KUANGLIU),
    Published("resnet101", 0.9375, 42_512_970, BEST_TEST, KUANGLIU),
    Published("densenet121", 0.9504, 6_956_298, BEST_TEST, KUANGLIU),
    Published("preact18", 0.9511, 11_171_146, BEST_TEST, KUANGLIU),
    Published("vgg16", 0.9372, 14_728_266, COSINE, RERUN),
    Published("resnet18", 0.9543, 11_173_962, COSINE, RERUN),
    Published("resnet50", 0.9537, 23_520_842, COSINE, RERUN),
    Published("densenet121", 0.9542, 6_956_298, COSINE, RERUN),
    Published("resnet20", 0.9125, 269_722, "as in the paper", HE),
    Published("resnet56", 0.9303, 853_018, "as in the paper", HE),
    Published("resnet110", 0.9357, 1_727_962, "best of 5 runs", HE),
    Published("preact164", 0.9454, 1_703_258, "median of 5 runs", HE_PREACT),
    Published("densenet-40-12", 0.9476, 1_000_000, "end of training", HUANG),
    Published("densenet-bc-100-12", 0.9549, 769_162, "end of training", HUANG),
    Published("densenet-bc-190-40", 0.9654, 25_624_430, "end of training", HUANG),
    Published("resnet18", 0.9060, 11_173_962, "best of three optimizers, 25 epochs", "a student's public repository"),
    Published("grouped densenet", 0.9010, 112_000, "not said", "a student's public page"),
    Published("cifar10-tiniest", 0.9440, 97_530, "mean of 5 runs, 200 epochs", "xvel/cifar10-tiniest"),
    Published("vgg11", 0.8675, 9_228_036, GRID, STUDENT, "minicifar"),
    Published("vgg13", 0.8698, 9_412_932, GRID, STUDENT, "minicifar"),
    Published("vgg16", 0.8650, 14_725_188, GRID, STUDENT, "minicifar"),
    Published("vgg19", 0.8470, 20_037_444, GRID, STUDENT, "minicifar"),
)
SAME_TEST_IMAGES = {"cifar10-15k": "cifar10"}  # their networks were tested on the same images, and trained on more


def of_network(network: str) -> list[Published]:
    """What was published of a network."""
    return [one for one in POINTS if one.network == network]


def tested_on(digest: str | None) -> list[Published]:
    """What was tested on the test images of the data set of this digest, all of them."""
    for name in datasets.NAMES:
        points = [one for one in POINTS if one.dataset == SAME_TEST_IMAGES.get(name, name)]
        if points and datasets.digest(name) == digest:
            return points
    return []
