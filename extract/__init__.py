"""Images -> features.h5: frozen timm backbones turn data sets into feature files.

The public face, imported only as it is used: `load_backbone`, `locate_dataset`, `load_dataset`, `extract`,
`FeatureFile`. `pipelines` puts them together; the rooms (`extract.images`, `extract.store`, ...) hold the rest.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extract.backbones import load as load_backbone
    from extract.datasets import load as load_dataset
    from extract.datasets import locate as locate_dataset
    from extract.errors import InvalidInput, PipelineError
    from extract.extraction import extract, plan
    from extract.store import FeatureFile

_FACE = {
    "load_backbone": ("extract.backbones", "load"),
    "locate_dataset": ("extract.datasets", "locate"),
    "load_dataset": ("extract.datasets", "load"),
    "extract": ("extract.extraction", "extract"),
    "plan": ("extract.extraction", "plan"),
    "FeatureFile": ("extract.store", "FeatureFile"),
    "PipelineError": ("extract.errors", "PipelineError"),
    "InvalidInput": ("extract.errors", "InvalidInput"),
}
__all__ = [
    "FeatureFile",
    "InvalidInput",
    "PipelineError",
    "extract",
    "load_backbone",
    "load_dataset",
    "locate_dataset",
    "plan",
]


def __getattr__(name: str) -> object:
    if name not in _FACE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _FACE[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return __all__
