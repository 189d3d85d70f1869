"""Parameter groups, what Muon moves, averages, and the range test."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.optim import param_groups_weight_decay
from torch import nn

from finetune.architectures import networks
from finetune.recipes import Recipe
from finetune.training.optimizers import optimizer, orthogonal, parameter_groups
from heads.neural.schedule import schedule


def small(name="resnet20", **options):
    return networks.build(name, n_classes=10, image_size=16, options={"depth": 8, "width": 0.5, **options})


def by_parameter(network, **options):
    groups = parameter_groups(network, Recipe(**{"learning_rate": 0.1, "weight_decay": 0.01, **options}))
    return {id(weight): (group["lr"], group["weight_decay"]) for group in groups for weight in group["params"]}


def test_matrices_and_kernels_decay_and_nothing_else_does():
    network = small()
    found = by_parameter(network)
    assert len(found) == len(list(network.parameters()))
    for weight in network.parameters():
        assert found[id(weight)] == (0.1, 0.01 if weight.ndim > 1 else 0.0)


@pytest.mark.parametrize("name", ["xcit_nano_12_p16_224", "swin_tiny_patch4_window7_224", "resnet20"])
def test_what_a_network_exempts_from_decay_is_as_timm_reads_it(name):
    with torch.device("meta"):
        network = networks.build(name, n_classes=10, image_size=224)
    exempt = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()
    expected = param_groups_weight_decay(network, 0.01, no_weight_decay_list=exempt)
    found = by_parameter(network)
    assert {id(weight): (0.1, group["weight_decay"]) for group in expected for weight in group["params"]} == found


def test_norm_biases_may_move_faster_and_shrink_as_fast_as_weights():
    network = small()
    biases = {id(bias) for bias in networks.bias_parameters(network)}
    assert biases
    for name, weight in network.named_parameters():
        rate, decay = by_parameter(network, bias_lr_scale=64.0, bias_decay=True)[id(weight)]
        if id(weight) in biases:
            assert (rate, rate * decay) == (pytest.approx(6.4), pytest.approx(0.1 * 0.01))
        else:
            assert (rate, decay) == (0.1, 0.01 if weight.ndim > 1 or name.endswith("bias") else 0.0)


def test_frozen_parameters_are_in_no_group_and_layer_decay_slows_early_stages():
    network = small()
    first, last = networks.stages(network)[0][1], networks.classifier(network)
    rates = by_parameter(network, layer_decay=0.5)
    depth = len(networks.stages(network))
    assert {rates[id(weight)][0] for weight in last.parameters()} == {0.1}
    assert all(rates[id(weight)][0] == pytest.approx(0.1 * 0.5**depth) for weight in first.parameters())
    first.requires_grad_(False)
    assert not {id(weight) for weight in first.parameters()} & set(by_parameter(network))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_muon_steps_are_torchs_on_flattened_kernels(layout, precision):
    network = small().to(memory_format=layout)
    recipe = Recipe(optimizer="muon", learning_rate=0.01, weight_decay=0.1)
    reference = copy.deepcopy(network)
    inner = [(name, weight) for name, weight in reference.named_parameters() if weight.ndim > 1][1:-1]
    flat = [nn.Parameter(weight.detach().flatten(1).clone()) for _, weight in inner]
    theirs = torch.optim.Muon(flat, lr=0.01, momentum=0.9, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    ours = optimizer(network, recipe, precision=precision)
    chance = torch.Generator().manual_seed(0)
    for _ in range(2):
        for weight in network.parameters():
            weight.grad = torch.randn(weight.shape, generator=chance).to(
                memory_format=layout if weight.ndim == 4 else torch.contiguous_format
            )
        for (name, _), one in zip(inner, flat, strict=True):
            one.grad = network.get_parameter(name).grad.flatten(1).clone()
        ours.step()
        theirs.step()
    for (name, _), one in zip(inner, flat, strict=True):
        got = network.get_parameter(name).flatten(1)
        if precision == "bfloat16":
            torch.testing.assert_close(got, one, rtol=1e-5, atol=1e-7)
        moved, expected = (value - reference.get_parameter(name).flatten(1) for value in (got, one))
        assert torch.nn.functional.cosine_similarity(moved.flatten(), expected.flatten(), dim=0) > 0.999
    assert not torch.equal(networks.classifier(network).weight, networks.classifier(reference).weight)
    ours.zero_grad()
    assert all(weight.grad is None for weight in network.parameters())


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 40), st.floats(-6, 6), st.integers(0, 99))
def test_a_step_has_the_singular_vectors_of_its_matrix(rows, columns, rank, scale, seed):
    chance = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(*shape, generator=chance) for shape in ((rows, rank), (rank, columns)))
    matrix = 10**scale * left @ right
    u, singular, vt = torch.linalg.svd(matrix.double(), full_matrices=False)
    singular /= singular.norm().clamp(min=1e-7)
    for _ in range(5):  # Jordan et al.'s polynomial, of every singular value by itself
        singular = 3.4445 * singular - 4.7750 * singular**3 + 2.0315 * singular**5
    expected = u @ singular.diag() @ vt
    found = orthogonal(matrix, "float32").double()
    assert found.shape == expected.shape
    assert (found - expected).norm() <= 1e-3 * max(expected.norm(), 1)  # rounding, times at most 3.4445 in each step


def test_triangular_rises_and_falls_on_lines():
    factor = schedule("triangular", total_steps=10, warmup=0.4)
    assert [round(factor(step), 6) for step in range(10)] == [
        0.2,
        0.4,
        0.6,
        0.8,
        1.0,
        *[round(1 - k / 6, 6) for k in range(1, 6)],
    ]
    assert schedule("triangular", total_steps=10)(3) == 1.0
