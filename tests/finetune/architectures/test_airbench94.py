"""The network airbench94: whitening, starts, and what is trained."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages, NormalizePixels, pixel_statistics
from finetune.recipes import Recipe
from finetune.training.config import TrainConfig
from finetune.training.trainer import Trainer


@pytest.fixture(scope="module")
def patches_of() -> Tensor:
    """Tiles of real photographs, normalized, [N, 3, 32, 32]."""
    from sklearn.datasets import load_sample_images

    photos = [torch.from_numpy(one.copy()).permute(2, 0, 1) for one in load_sample_images()["images"]]
    tiles = [one[:, :416, :640].unfold(1, 32, 32).unfold(2, 32, 32).reshape(3, -1, 32, 32) for one in photos]
    images = torch.cat(tiles, 1).movedim(1, 0).float() / 255
    return (images - images.mean((0, 2, 3), keepdim=True)) / images.std((0, 2, 3), keepdim=True)


def test_whitened_patches_are_uncorrelated_with_variance_near_one(patches_of):
    network = networks.build("airbench94", n_classes=10, image_size=32)
    assert networks.whiten(network, patches_of)
    layer = network.get_submodule("whitening")
    assert isinstance(layer, nn.Conv2d)
    with torch.no_grad():
        outputs = F.conv2d(patches_of, layer.weight).movedim(1, 0).flatten(1)
    half = len(outputs) // 2
    torch.testing.assert_close(outputs[half:], -outputs[:half])
    covariance = torch.cov(outputs[:half].double())
    spread = covariance.diag()
    assert (spread[:6] > 0.9).all()
    assert (spread <= 1.001).all()  # epsilon damps directions that hold next to nothing
    assert (covariance - spread.diag()).abs().max() < 1e-3


class Twice(nn.Module):
    """Levels at twice the size."""

    def forward(self, images: Tensor) -> Tensor:
        return F.interpolate(images.float(), scale_factor=2, mode="bicubic")


def test_a_training_whitens_images_as_the_network_sees_them(patches_of):
    levels = (patches_of * 60 + 128).clamp(0, 255).to(torch.uint8)
    images = LabeledImages(levels, torch.zeros(len(levels), dtype=torch.int64))
    network = networks.build("airbench94", n_classes=10, image_size=64, options={"width": 0.25})
    normalization = pixel_statistics(levels)
    recipe = Recipe(batch_size=50, compile="off")
    Trainer(network, images, recipe=recipe, config=TrainConfig(normalization, device="cpu", resize=Twice())).start()
    layer = network.get_submodule("whitening")
    with torch.no_grad():
        outputs = F.conv2d(NormalizePixels(normalization)(Twice()(levels)), layer.weight).movedim(1, 0).flatten(1)
    covariance = torch.cov(outputs[: len(outputs) // 2].double())
    spread = covariance.diag()
    assert (spread[:4] > 0.9).all()
    assert (spread <= 1.001).all()
    assert (covariance - spread.diag()).abs().max() < 1e-3


def test_only_airbench94_depends_on_training_images(patches_of):
    network = networks.build("vgg11", n_classes=10, image_size=32, options={"width": 0.125})
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert networks.whiten(network, patches_of) is False
    assert networks.whitening_bias(network) is None
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_convolutions_of_airbench94_start_as_the_identity():
    network = networks.build("airbench94", n_classes=10, image_size=32)
    layers = [module for _, stage in networks.stages(network)[1:] for module in stage.modules()]
    for layer in (one for one in layers if isinstance(one, nn.Conv2d)):
        maps = torch.randn(2, layer.in_channels, 7, 7)
        kept = min(layer.in_channels, layer.out_channels)
        torch.testing.assert_close(layer(maps)[:, :kept], maps[:, :kept])


def test_airbench94_freezes_its_filters_and_scales_and_trains_its_norm_biases():
    network = networks.build("airbench94", n_classes=10, image_size=32)
    frozen = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    norms = [name for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert frozen == {"whitening.weight", *(f"{name}.weight" for name in norms)}
    assert all(network.get_submodule(name).weight.eq(1).all() for name in norms)
    biases = [network.get_submodule(name).bias for name in norms]
    assert [id(one) for one in networks.bias_parameters(network)] == [id(one) for one in biases]
    assert networks.whitening_bias(network) is network.get_submodule("whitening").bias


def test_the_statistics_of_airbench94_keep_six_tenths_of_their_past():
    network = networks.build("airbench94", n_classes=10, image_size=32).train()
    norm = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    maps = torch.randn(8, norm.num_features, 4, 4) + 3
    norm(maps)
    torch.testing.assert_close(norm.running_mean, 0.4 * maps.mean((0, 2, 3)))
