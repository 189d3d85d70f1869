"""The resize on the device is timm's transform."""

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from extract.backbones.resampling import FILTERS
from extract.backbones.transforms import (
    Normalize,
    Preprocessing,
    Resize,
    from_timm,
    pillow_transform,
    resizes_by_matrix,
)
from extract.data import cifar

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def through_timm(array: np.ndarray, preprocessing: Preprocessing) -> torch.Tensor:
    transform = pillow_transform(preprocessing)
    return torch.stack([transform(Image.fromarray(image.transpose(1, 2, 0))) for image in array]).float()


@given(
    size=st.integers(3, 70),
    target=st.integers(4, 90),
    fraction=st.sampled_from([0.75, 0.875, 0.95, 1.0]),
    kind=st.sampled_from(sorted(FILTERS)),
    mode=st.sampled_from(["center", "squash"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_any_size_and_filter_give_the_very_levels_of_pillow(size, target, fraction, kind, mode, seed):
    image = np.random.default_rng(seed).integers(0, 256, (2, 3, size, size), np.uint8)
    preprocessing = Preprocessing((target, target), kind, MEAN, STD, fraction, mode)
    got = Resize(preprocessing, height=size, width=size)(torch.from_numpy(image))
    assert torch.equal(got, through_timm(image, preprocessing))


@given(
    size=st.integers(3, 40),
    target=st.integers(4, 90),
    kind=st.sampled_from(sorted(FILTERS)),
    fraction=st.sampled_from([0.875, 1.0]),
)
@settings(max_examples=15)
def test_compiled_the_levels_are_the_same(size, target, kind, fraction):
    image = torch.from_numpy(np.random.default_rng(size).integers(0, 256, (2, 3, size, size), np.uint8))
    resize = Resize(Preprocessing((target, target), kind, MEAN, STD, fraction, "center"), height=size, width=size)
    torch.compiler.reset()
    assert torch.equal(torch.compile(resize, backend="eager")(image), resize(image))


def test_compiled_the_first_axis_lies_in_memory_before_the_second_reads_it_and_exported_the_graph_is_whole():
    resize = Resize(Preprocessing((32, 32), "bicubic", MEAN, STD, 1.0, "center"), height=8, width=8)
    image, graphs = torch.zeros(2, 3, 8, 8, dtype=torch.uint8), []

    def counted(graph, _):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    torch.compile(resize, backend=counted)(image)
    assert len(graphs) == 2
    exported = torch.export.export(resize, (image,)).module()
    assert torch.equal(exported(image), resize(image))


@given(height=st.integers(8, 60), width=st.integers(8, 60), mode=st.sampled_from(["center", "squash"]))
@settings(max_examples=40)
def test_oblong_images_give_the_very_levels_of_pillow(height, width, mode):
    image = np.random.default_rng(height).integers(0, 256, (1, 3, height, width), np.uint8)
    preprocessing = Preprocessing((48, 48), "bicubic", MEAN, STD, 0.875, mode)
    got = Resize(preprocessing, height=height, width=width)(torch.from_numpy(image))
    assert torch.equal(got, through_timm(image, preprocessing))


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet50", "vit_base_patch16_clip_224", "vgg16_bn"])
def test_cifar_agrees_with_the_whole_timm_transform(name, cifar_dir):
    images = cifar.load("cifar10", cifar.find("cifar10", cifar_dir)).splits["test"].images.array[:64]
    config = resolve_model_data_config(timm.create_model(name, num_classes=0))
    preprocessing = from_timm(config)
    reference = create_transform(**config, is_training=False)
    expected = torch.stack([reference(Image.fromarray(image.transpose(1, 2, 0))) for image in images])
    resize = Resize(preprocessing, height=32, width=32)
    got = Normalize(preprocessing, torch.float32)(resize(torch.from_numpy(images)))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)  # the same levels, normalized


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "resnet50"])
def test_photographs_agree_with_the_whole_timm_transform(name, photographs):
    config = resolve_model_data_config(timm.create_model(name, num_classes=0))
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
