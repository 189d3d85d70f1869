"""Resizing on the device gives the very levels of Pillow."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.backbones.resampling import FILTERS
from extract.backbones.transforms import Preprocessing, Resize, pillow_transform

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
