"""Published points: what is said of their networks is what these networks have."""

import pytest

from extract.data import datasets
from finetune.analysis import published
from finetune.analysis.describe import describe

OURS = [one for one in published.POINTS if one.network not in ("cifar10-tiniest", "grouped densenet", "densenet-40-12")]
FINAL_NORM = {"preact18": 2 * 512}  # weights of the norm before the pooling, which pytorch-cifar leaves out


@pytest.mark.parametrize("point", {(one.network, one.dataset): one for one in OURS}.values(), ids=str)
def test_a_published_network_has_the_parameters_of_ours(point):
    classes = datasets.FACTS[point.dataset].n_classes
    ours = describe(point.network, n_classes=classes).parameters
    assert point.parameters == ours - FINAL_NORM.get(point.network, 0)


def test_points_belong_to_the_test_images_of_their_data_set():
    whole = published.tested_on(datasets.digest("cifar10"))
    assert {one.dataset for one in whole} == {"cifar10"}
    assert published.tested_on(datasets.digest("cifar10-15k")) == whole
    assert {one.dataset for one in published.tested_on(datasets.digest("minicifar"))} == {"minicifar"}
    assert published.tested_on(datasets.digest("cifar10", ("cat", "dog"))) == []
    assert published.tested_on(None) == []
