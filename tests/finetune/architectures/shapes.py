"""What the tests of networks share: one that is only shapes."""

import torch
from torch import nn

from finetune.architectures import networks


def on_meta(name: str, *, size: int = 32, n_classes: int = 10, **options: object) -> nn.Module:
    with torch.device("meta"):
        return networks.build(name, n_classes=n_classes, image_size=size, options=options)
