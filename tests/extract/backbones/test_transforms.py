"""The resize on the device is timm's transform."""

import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from extract.backbones.transforms import (
    Normalize,
    Preprocessing,
    Resize,
    from_timm,
    pillow_transform,
    resizes_by_matrix,
)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet50", "vit_base_patch16_clip_224", "vgg16_bn"])
def test_cifar_agrees_with_the_whole_timm_transform(name, cifar_images):
    images = cifar_images[:64]
    config = resolve_model_data_config(timm.get_pretrained_cfg(name).to_dict())
    preprocessing = from_timm(config)
    reference = create_transform(**config, is_training=False)
    expected = torch.stack([reference(Image.fromarray(image.transpose(1, 2, 0))) for image in images])
    resize = Resize(preprocessing, height=32, width=32)
    got = Normalize(preprocessing, torch.float32)(resize(torch.from_numpy(images)))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)  # the same levels, normalized


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet50"])
def test_photographs_agree_with_the_whole_timm_transform(name, photographs):
    config = resolve_model_data_config(timm.get_pretrained_cfg(name).to_dict())
    preprocessing = from_timm(config)
    reference = create_transform(**config, is_training=False)
    levels = torch.stack([pillow_transform(preprocessing)(photo) for photo in photographs])
    assert levels.dtype == torch.uint8
    got = Normalize(preprocessing, torch.float32)(levels)
    expected = torch.stack([reference(photo) for photo in photographs])
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_the_network_gets_its_input_channels_last():
    preprocessing = Preprocessing((32, 32), "bicubic", MEAN, STD, 1.0, "center")
    got = Normalize(preprocessing, torch.bfloat16)(
        Resize(preprocessing, height=8, width=8)(torch.zeros(2, 3, 8, 8).byte())
    )
    assert got.dtype == torch.bfloat16
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_padding_modes_go_through_pillow():
    assert not resizes_by_matrix(Preprocessing((32, 32), "bicubic", MEAN, STD, 0.9, "border"), height=8, width=8)
    assert resizes_by_matrix(Preprocessing((32, 32), "bicubic", MEAN, STD, 0.9, "center"), height=8, width=8)
