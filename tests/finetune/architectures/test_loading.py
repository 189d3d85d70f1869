"""Weights onto networks with a new last layer: what is loaded, what stays fresh, what is refused."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from extract.backbones import frozen, weights
from extract.errors import InvalidInputError, UnavailableError
from finetune.architectures import modes, networks


def saved(network: nn.Module, path) -> str:
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return str(path)


def copies(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "architecture", "arguments", "fresh"),
    [
        ("resnet18", "resnet18", {}, {"conv1.weight", "fc.weight", "fc.bias"}),
        ("preact18", "resnetv2_18", {}, {"stem.conv.weight", "head.fc.weight", "head.fc.bias"}),
        ("densenet121", "densenet121", {}, {"features.conv0.weight", "classifier.weight", "classifier.bias"}),
        ("vgg11", "vgg11_bn", {"mlp_ratio": 0.01}, {"head.fc.weight", "head.fc.bias"}),
    ],
)
def test_imagenet_weights_fit_a_network_with_cifar_stem_and_new_classes(name, architecture, arguments, fresh, tmp_path):
    source = timm.create_model(architecture, **arguments)
    network = networks.build(name, n_classes=7, image_size=32)
    before = copies(network)
    loaded = networks.resolve(name).load_weights(network, weights=saved(source, tmp_path / "w.safetensors"))
    assert set(loaded.fresh) == fresh
    after, given = network.state_dict(), source.state_dict()
    assert all(torch.equal(after[key], before[key] if key in fresh else given[key]) for key in after)


def test_with_its_own_stem_only_the_classifier_stays_fresh(tmp_path):
    source = timm.create_model("resnet18")
    network = networks.build("resnet18", n_classes=7, image_size=32, options={"stem": "imagenet"})
    loaded = networks.resolve("resnet18").load_weights(network, weights=saved(source, tmp_path / "w.safetensors"))
    assert set(loaded.fresh) == {"fc.weight", "fc.bias"}


@pytest.mark.parametrize("name", ["resnet20", "densenet-bc-40-12", "airbench94", "test_resnet"])
def test_an_own_networks_weights_come_back_with_or_without_its_classifier(name, tmp_path):
    source = networks.build(name, n_classes=5, image_size=32, seed=1)
    networks.whiten(source, torch.randn(9, 3, 32, 32))
    path = saved(source, tmp_path / "w.safetensors")
    whole, anew = (networks.build(name, n_classes=5, image_size=32, seed=2) for _ in range(2))
    classifier = copies(networks.classifier(anew))
    assert networks.resolve(name).load_weights(whole, weights=path, with_classifier=True).fresh == ()
    assert all(torch.equal(value, source.state_dict()[key]) for key, value in whole.state_dict().items())
    loaded = networks.resolve(name).load_weights(anew, weights=path)
    assert len(loaded.fresh) == len(classifier)
    assert all(torch.equal(value, classifier[key]) for key, value in networks.classifier(anew).state_dict().items())
    images = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(networks.embedding(anew.eval())(images), networks.embedding(source.eval())(images))


def test_packaged_weights_give_the_embeddings_of_extraction():
    name = "tf_efficientnet_lite0"
    network = networks.build(name, n_classes=5, image_size=64).eval()
    loaded = networks.resolve(name).load_weights(network, weights="packaged", image_size=64)
    assert set(loaded.fresh) == {"classifier.weight", "classifier.bias"}
    backbone = frozen.load(name, weights="packaged", image_size=64)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(networks.embedding(network)(images), backbone.module(images))


def test_pretrained_weights_come_through_the_hubs_cache(monkeypatch, tmp_path):
    source = timm.create_model("test_resnet")
    path = tmp_path / "model.safetensors"
    saved(source, path)
    monkeypatch.setattr(weights, "cached_file", lambda *_: path)
    network = networks.build("test_resnet", n_classes=5, image_size=64)
    loaded = networks.resolve("test_resnet").load_weights(network, weights="pretrained", image_size=64)
    assert set(loaded.fresh) == {"fc.weight", "fc.bias"}
    assert torch.equal(network.get_submodule("layer4")[0].conv1.weight, source.layer4[0].conv1.weight)


def test_without_a_hub_pretrained_weights_are_unavailable(monkeypatch):
    monkeypatch.setattr(weights, "cached_file", lambda *_: None)
    monkeypatch.setattr(weights, "reachable", lambda: False)
    network = networks.build("resnet18", n_classes=5, image_size=32, options={"width": 1})
    with pytest.raises(UnavailableError, match="hub"):
        networks.resolve("resnet18").load_weights(network, weights="pretrained")


def test_untrained_leaves_the_network_as_it_is():
    network = networks.build("resnet20", n_classes=5, image_size=32)
    before = copies(network)
    assert set(networks.resolve("resnet20").load_weights(network, weights="untrained").fresh) == set(before)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_weights_of_another_network_are_refused_and_nothing_is_loaded(tmp_path):
    path = saved(networks.build("resnet32", n_classes=5, image_size=32), tmp_path / "w.safetensors")
    for name, options, word in (
        ("resnet20", {}, "unexpected"),
        ("resnet44", {}, "missing"),
        ("resnet32", {"width": 2.0}, "another shape"),
    ):
        network = networks.build(name, n_classes=5, image_size=32, options=options)
        before = copies(network)
        with pytest.raises(InvalidInputError, match=word) as refused:
            networks.resolve(name, options).load_weights(network, weights=path)
        assert "\n" not in str(refused.value)
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("name", "options", "weights", "words"),
    [
        ("resnet20", {}, "pretrained", "timm has none"),
        ("resnet18", {"width": 0.5}, "pretrained", "timm has none"),
        ("resnet18", {"norm": "group"}, "packaged", "timm has none"),
        ("resnet18", {}, "packaged", "tf_efficientnet_lite0"),
        ("resnet18", {}, "no/such/file", "Check the path"),
    ],
)
def test_weights_that_do_not_exist_are_refused_in_one_sentence(name, options, weights, words):
    network = networks.build(name, n_classes=5, image_size=32, options=options)
    with pytest.raises(InvalidInputError, match=words) as refused:
        networks.resolve(name, options).load_weights(network, weights=weights)
    assert "\n" not in str(refused.value)


def test_the_first_layer_of_a_network_that_keeps_its_stem_may_not_differ(tmp_path):
    """Nor that of a timm network which is of a family's class and none of its names."""
    for name, options in (("resnet18", {"stem": "imagenet"}), ("test_resnet", {})):
        source = timm.create_model(name, in_chans=1)
        network = networks.build(name, n_classes=3, image_size=32, options=options)
        with pytest.raises(InvalidInputError, match=r"1 of another shape \(conv1"):
            networks.resolve(name, options).load_weights(network, weights=saved(source, tmp_path / "w.safetensors"))


@pytest.mark.parametrize(
    ("name", "stem", "norms"),
    [("resnet18", {"conv1.weight", "bn1.weight"}, {"bn1"}), ("preact18", {"stem.conv.weight"}, set())],
)
def test_a_fresh_stem_learns_whatever_is_frozen_and_its_statistics_begin_anew(name, stem, norms, tmp_path):
    source = timm.create_model({"preact18": "resnetv2_18"}.get(name, name))
    network = networks.build(name, n_classes=3, image_size=32, options={"stem": "cifar"})
    for norm in modes.batch_norms(source):
        norm.running_mean.fill_(7)
    fresh = networks.resolve(name).load_weights(network, weights=saved(source, tmp_path / "w.safetensors")).fresh
    modes.freeze(network, trained_stages=0)
    modes.thaw(network, fresh=fresh)
    trained = {key for key, one in network.named_parameters() if one.requires_grad}
    assert stem <= trained
    assert not any(key.startswith(("layer2", "stages.1")) for key in trained)
    modes.train_mode(network, batch_norm="eval")
    learning = {key for key, part in network.named_modules() if isinstance(part, nn.BatchNorm2d) and part.training}
    assert learning
    assert norms <= learning
    assert all(network.get_submodule(key).running_mean.eq(0).all() for key in learning)
    kept = [part for key, part in network.named_modules() if isinstance(part, nn.BatchNorm2d) and key not in learning]
    assert kept
    assert all(part.running_mean.eq(7).all() for part in kept)


@pytest.mark.parametrize(("name", "timm_name"), [("resnet18", "resnet18"), ("densenet121", "densenet121")])
def test_the_stem_of_a_file_is_seen_in_its_tensors(name, timm_name, tmp_path):
    from extract.backbones import checkpoints

    imagenet, cifar = timm.create_model(timm_name), networks.build(name, n_classes=5, image_size=32)
    for network, stem in ((imagenet, "imagenet"), (cifar, "cifar")):
        assert (
            networks.resolve(name).stem_of(checkpoints.read(saved(network, tmp_path / f"{stem}.safetensors"))) == stem
        )
