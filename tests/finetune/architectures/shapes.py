"""What the tests of networks share: one that is only shapes."""

import torch
from torch import nn

from finetune.architectures import networks


def on_meta(name: str, *, size: int = 32, class_count: int = 10, **options: object) -> nn.Module:
    with torch.device("meta"):
        return networks.build(name, class_count=class_count, image_size=size, options=options)
