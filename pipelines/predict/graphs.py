"""The way from pixels to logits as one torch module: what `pipeline export` writes."""

from torch import Tensor, nn


class FrozenGraph(nn.Module):
    """uint8 [B, 3, h, w] -> logits float64 [B, K]: encoder, then head."""

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(images)[0])
