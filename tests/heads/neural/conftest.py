"""Rows for the tests of this folder."""

import pytest
import torch

from heads.neural.grid import Rows


@pytest.fixture
def parts(blobs):
    """(training rows [450], validation rows [150]) of the blobs."""
    features, labels = torch.from_numpy(blobs[0]), torch.from_numpy(blobs[1])
    return Rows(features[:450], labels[:450]), Rows(features[450:], labels[450:])
