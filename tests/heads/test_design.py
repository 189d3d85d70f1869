"""Standardized features: the statistics of scikit-learn, folded into weights and back."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from heads import design
from heads.design import RowBlocks, eigenbasis, signed_power, standardization


@pytest.fixture
def features():
    """[200, 6], the last column constant, the first far from zero."""
    rows = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 6)))
    rows[:, 0] = rows[:, 0] * 1e-3 + 1000
    rows[:, 5] = 3.0
    return rows


def test_columns_are_scaled_as_scikit_learn_does(features):
    expected = StandardScaler().fit_transform(features.numpy())
    np.testing.assert_allclose(standardization(features).apply(features, torch.float64), expected, atol=1e-9)


def test_weights_for_standardized_features_are_those_for_raw_ones_and_come_back(features):
    standard = standardization(features)
    theta = torch.from_numpy(np.random.default_rng(1).normal(size=(7, 3)))
    weights, bias = standard.fold(theta)
    logits = standard.apply(features, torch.float64) @ theta[:-1] + theta[-1]
    torch.testing.assert_close(features @ weights + bias, logits)
    torch.testing.assert_close(standard.unfold(weights, bias), theta)


@pytest.mark.parametrize("rows", [200, 4])
def test_the_eigenbasis_is_that_of_the_gram_matrix(features, rows):
    standardized = standardization(features).apply(features, torch.float64)[:rows]
    basis = eigenbasis(standardized, torch.float64)
    gram = standardized.T @ standardized / rows
    torch.testing.assert_close(basis.vectors @ torch.diag(basis.values) @ basis.vectors.T, gram, atol=1e-9, rtol=1e-9)
    assert basis.complete == (rows >= 6)


def test_a_power_keeps_signs_and_power_1_keeps_the_features(features):
    assert signed_power(features, 1.0) is features
    torch.testing.assert_close(signed_power(torch.tensor([-4.0, 0.0, 9.0]), 0.5), torch.tensor([-2.0, 0.0, 3.0]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("stored", [torch.float16, torch.float32, torch.float64])
def test_rows_made_in_blocks_are_those_of_a_converted_copy(features, stored, dtype, monkeypatch):
    monkeypatch.setattr(design, "SMALL_ELEMENT_COUNT", 0)
    monkeypatch.setattr(design, "BLOCK_ELEMENTS", {"cpu": 100})
    kept, numbers = features.to(stored), torch.randperm(200)[:150]
    standard = standardization(RowBlocks(kept, dtype, numbers))
    torch.testing.assert_close(standard.mean, kept[numbers].double().mean(0))
    rows = RowBlocks(kept, dtype, numbers, standard)
    assert sum(len(block) for _, block in rows.blocks()) == len(rows) == 150
    assert torch.equal(rows.held(), standard.apply(kept[numbers], dtype))
    assert torch.equal(rows.take(torch.tensor([3, 1])).held(), rows.held()[[3, 1]])
    whole = eigenbasis(rows.held().double(), torch.float64)
    torch.testing.assert_close(
        eigenbasis(RowBlocks(kept, torch.float64, numbers, standard), torch.float64).values,
        whole.values,
        atol=0.02,
        rtol=0.02,
    )


@pytest.mark.parametrize("constant", [0, 1, 3, 6])
def test_constant_columns_are_eigenvectors_of_their_own_with_the_value_0(constant):
    rows = torch.from_numpy(np.random.default_rng(2).normal(size=(50, 6)))
    rows[:, torch.randperm(6, generator=torch.Generator().manual_seed(1))[:constant]] = 0
    basis = eigenbasis(rows, torch.float64)
    gram = rows.T @ rows / 50
    torch.testing.assert_close(basis.vectors @ torch.diag(basis.values) @ basis.vectors.T, gram)
    torch.testing.assert_close(basis.vectors.T @ basis.vectors, torch.eye(6, dtype=torch.float64))
    assert (basis.values.diff() >= 0).all()
    assert (basis.values[:constant] == 0).all()


@pytest.mark.parametrize("power", [0.5, 2.0, 3.0])
def test_a_power_of_float16_does_not_overflow(power):
    values = torch.tensor([-300.0, 0.5, 500.0], dtype=torch.float16)
    found = signed_power(values, power)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, signed_power(values.double(), power).float())
