"""Random images, and a plain function of each."""

import numpy as np
import torch


def images(count=6, height=12, width=10, seed=0):
    return torch.randint(0, 256, (count, 3, height, width), generator=torch.Generator().manual_seed(seed)).to(
        torch.uint8
    )


def each(function, batch):
    return torch.stack(
        [torch.from_numpy(np.ascontiguousarray(function(row, one.numpy()))) for row, one in enumerate(batch)]
    )
