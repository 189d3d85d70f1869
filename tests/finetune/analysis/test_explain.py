"""What is seen of a network: against its own weights, its own pooled features, and class activation maps."""

import pytest
import timm
import torch

from finetune.analysis.explain import first_filters, grad_cam, stage_embeddings
from finetune.architectures import networks

FAMILIES = {
    "resnet8": ("conv1", {"width": 0.5}),
    "preact8": ("stem.conv", {"width": 0.5}),
    "densenet-bc-10-8": ("features.conv0", {}),
    "vgg11": ("features.0", {"width": 0.125}),
}


def built(name):
    torch.manual_seed(0)
    return networks.build(name, n_classes=5, image_size=32, options=FAMILIES[name][1]).eval()


def images(count=3):
    return torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_shows_its_first_filters_stages_and_evidence(name):
    network, inputs = built(name), images()
    hooks = [len(module._forward_hooks) for module in network.modules()]
    assert torch.equal(first_filters(network), network.get_submodule(FAMILIES[name][0]).weight)
    left = stage_embeddings(network, inputs)
    assert list(left) == [stage for stage, _ in networks.stages(network)]
    assert all(table.shape[0] == 3 and table.ndim == 2 for table in left.values())
    maps = grad_cam(network, inputs, torch.tensor([0, 4, 2]))
    assert maps.shape[0] == 3
    assert maps.shape[1] == maps.shape[2] >= 4
    assert maps.min() >= 0
    assert all(one.max() in (0, 1) or abs(one.max() - 1) < 1e-5 for one in maps)
    assert hooks == [len(module._forward_hooks) for module in network.modules()]
    one = grad_cam(network, inputs[1:2], torch.tensor([4]))
    torch.testing.assert_close(one[0], maps[1], rtol=1e-3, atol=1e-4)


def test_the_last_stage_pooled_is_what_the_classifier_gets():
    network, inputs = built("resnet8"), images()
    expected = networks.embedding(network)(inputs)
    torch.testing.assert_close(list(stage_embeddings(network, inputs).values())[-1], expected.detach())


def test_where_a_mean_and_a_linear_layer_follow_the_maps_it_is_the_class_activation_map():
    """Zhou et al. (CVPR 2016): there Grad-CAM is the maps weighted by the class's own weights."""
    network, inputs = built("resnet8"), images()
    classes = torch.tensor([1, 0, 3])
    with torch.no_grad():
        maps = network.forward_features(inputs)
        evidence = torch.einsum("nchw,nc->nhw", maps, network.fc.weight[classes]).clamp_min(0)
    expected = evidence / evidence.amax((1, 2), keepdim=True)
    torch.testing.assert_close(grad_cam(network, inputs, classes), expected, rtol=1e-4, atol=1e-5)


def test_a_transformer_has_embeddings_and_no_maps():
    network = timm.create_model("test_vit", num_classes=5, img_size=32).eval()
    assert grad_cam(network, images(), torch.zeros(3, dtype=torch.int64)) is None
    left = stage_embeddings(network, images())
    assert all(table.shape[0] == 3 and table.ndim == 2 for table in left.values())


def test_maps_with_their_channels_last_are_maps_and_the_weights_of_an_attention_are_none():
    torch.manual_seed(0)
    network = timm.models.swin_transformer.SwinTransformer(
        img_size=32, patch_size=2, window_size=4, embed_dim=16, depths=(1, 1), num_heads=(2, 2), num_classes=5
    ).eval()
    inputs, classes = images(), torch.tensor([1, 0, 3])
    with torch.no_grad():
        maps = network.forward_features(inputs)  # [N, H, W, C], of four windows an image
        evidence = torch.einsum("nhwc,nc->nhw", maps, network.head.fc.weight[classes]).clamp_min(0)
    expected = evidence / evidence.amax((1, 2), keepdim=True)
    torch.testing.assert_close(grad_cam(network, inputs, classes), expected, rtol=1e-4, atol=1e-5)
