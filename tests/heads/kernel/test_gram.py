"""The linear systems of kernel ridge."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from heads.kernel import gram
from heads.kernel.gram import KernelPoints, KernelSystem
from heads.kernel.kernel import KernelHead


@settings(max_examples=20)
@given(count=st.integers(2, 90), width=st.integers(1, 5), seed=st.integers(0, 2**31), block=st.sampled_from([7, 32]))
def test_every_penalty_solves_its_own_equations(count, width, seed, block):
    chance = np.random.default_rng(seed)
    points = torch.from_numpy(chance.normal(size=(1, count, width)).astype(np.float32))
    targets = torch.from_numpy(chance.normal(size=(count, 3)))
    kernel = torch.exp(-(torch.cdist(points[0].double(), points[0].double()) ** 2))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gram, "BLOCK", block)
        found = list(KernelSystem(KernelPoints(points)).solutions([1.0, 0.03], targets))
    for penalty, solution in zip([1.0, 0.03], found, strict=True):
        assert solution.converged
        missed = kernel @ solution.coefficients + penalty * solution.coefficients - targets
        assert missed.abs().max() < 1e-4 * (1 + solution.coefficients.abs().max())


def test_a_matrix_without_room_a_tiny_penalty_and_rows_that_are_no_views_are_refused(blobs, monkeypatch):
    with pytest.raises(InvalidInputError, match="alpha must be large enough"):
        KernelHead(50.0, 1e-12).fit(*blobs)
    with pytest.raises(InvalidInputError, match="rows must be 2 blocks of the same images"):
        KernelHead(views=2).fit(*blobs)
    monkeypatch.setattr(gram, "available_memory", lambda: 2**20)
    with pytest.raises(InvalidInputError, match=r"0\.0 GiB for 600; got 0\.0 GiB free"):
        KernelHead().fit(*blobs)
