"""How a network that was pretrained wants its images: what timm knows about its weights."""

from typing import Any

import timm
from timm.data.config import resolve_data_config

from extract.backbones.transforms import Preprocessing, from_timm
from finetune.architectures import networks


def own_size(name: str) -> int | None:
    """Pixels of a side that the network's weights were made for; None where timm has none."""
    found = _configuration(name)
    return None if found is None else int(found["input_size"][1])


def preprocessing(name: str, *, image_size: int) -> Preprocessing | None:
    """The preprocessing of the network's timm weights at `image_size` pixels, as extraction has it; None without."""
    found = _configuration(name)
    return None if found is None else from_timm(resolve_data_config(pretrained_cfg=found), image_size=image_size)


def _configuration(name: str) -> dict[str, Any] | None:
    architecture = networks.timm_name(name)
    found = timm.get_pretrained_cfg(architecture, allow_unregistered=True) if architecture else None
    return None if found is None else found.to_dict()
