"""Transfer in a course's way: networks pre-trained on part of CIFAR-100 as backbones for CIFAR-10, then fine-tuned."""

import pytest
import torch

from pipelines.training import network_io
from pipelines.workspace import records

FAMILIES = {
    "resnet8": ("--width", 0.25),
    "preact8": ("--width", 0.25),
    "densenet-bc-10-4": (),
    "vgg11": ("--width", 0.125),
}
SHORT = ("--epochs", 1, "--batch-size", 20, "--compile", "off", "--json")


@pytest.mark.parametrize("network", FAMILIES)
def test_a_network_of_other_classes_becomes_a_backbone_and_is_tuned(pipeline, fake_cifar, workspace, tmp_path, network):
    things = [f"thing {index}" for index in range(6)]
    place = fake_cifar("cifar100", things, train=10, test=2, groups=["vehicles_1", "vehicles_2", "plants"])
    fake_cifar("cifar10", [f"class {index}" for index in range(10)], train=3, test=2)
    data = ("--data-dir", place)
    left_out = ("--exclude-classes", "superclass:vehicles_1,superclass:vehicles_2")
    trained = pipeline("train", network, *FAMILIES[network], "--dataset", "cifar100", *data, *left_out, *SHORT).json
    before = records.read(workspace, trained["run"])
    assert before.dataset.classes == ("thing 2", "thing 5") == tuple(before.class_names)
    source = ("--weights", trained["run"], "--dataset", "cifar10", *data)
    if network == "resnet8":
        assert pipeline("extract", *source, "--json").json["cached"] is False
    head = pipeline("fit-head", *source, "--head", "centroid", "--json").json
    fitted = records.read(workspace, head["run"])
    assert fitted.source.spec["weights"]["source"] == f"run:{trained['run']}"
    assert len(fitted.class_names) == 10
    tuned = pipeline("finetune", *source, "--mode", "partial:0", *SHORT).json
    after = records.read(workspace, tuned["run"])
    assert (after.mode, after.architecture, len(after.class_names)) == ("finetuned", network, 10)
    assert after.test_without_near_copies.rows <= after.test.rows == 20
    old, new = (network_io.tensors(records.folder(workspace, one.run)) for one in (before, after))
    grown = [name for name in old if old[name].shape != new[name].shape]
    assert {new[name].shape[0] for name in grown} == {10}, "a last layer for ten classes"
    assert len(grown) == 2
    assert all(torch.equal(old[name], new[name]) for name in old if name not in grown), "all else is as it was trained"
