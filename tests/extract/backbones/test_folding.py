"""BatchNorm folded into convolutions: the same outputs, and only where that is so."""

from copy import deepcopy

import pytest
import torch
from torch import nn

from extract.backbones.folding import fold_batch_norms


@pytest.mark.parametrize(
    ("name", "count"),
    [("test_resnet", 15), ("test_efficientnet", 13), ("densenet121", 59), ("tf_efficientnet_lite0", 49)],
)
def test_folded_batch_norms_change_nothing(name, count, with_statistics):
    import timm

    network = with_statistics(timm.create_model(name, num_classes=0))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = network(images)
        folded = fold_batch_norms(network, image_size=(64, 64))
        after = network(images)
    assert folded == count
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3 * float(before.abs().max()))


def test_a_convolution_that_others_read_too_is_left_as_it_was(with_statistics):
    class Forked(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

        def forward(self, images):
            found = self.convolution(images)
            return (self.norm(found) + found).mean((2, 3))

    network = with_statistics(Forked())
    state = deepcopy(network.state_dict())
    assert fold_batch_norms(network, image_size=(8, 8)) == 0
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
