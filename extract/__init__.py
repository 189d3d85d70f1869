"""Images -> features.h5: frozen timm backbones turn data sets into feature files.

The public face, imported only as it is used: `load_backbone`, `locate_dataset`, `load_dataset`, `extract`,
`embed`, `FeatureFile`, `TimmEncoder`. `pipelines` puts them together; the modules (`extract.data.images`,
`extract.features.store`, ...) hold the rest.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extract.backbones.frozen import load as load_backbone
    from extract.data.datasets import load as load_dataset
    from extract.data.datasets import locate as locate_dataset
    from extract.errors import InvalidInputError, TransferBenchError
    from extract.features.encoder import TimmEncoder
    from extract.features.extraction import extract, plan
    from extract.features.sequences import embed
    from extract.features.store import FeatureFile

_FACE = {
    "load_backbone": ("extract.backbones.frozen", "load"),
    "locate_dataset": ("extract.data.datasets", "locate"),
    "load_dataset": ("extract.data.datasets", "load"),
    "embed": ("extract.features.sequences", "embed"),
    "extract": ("extract.features.extraction", "extract"),
    "plan": ("extract.features.extraction", "plan"),
    "FeatureFile": ("extract.features.store", "FeatureFile"),
    "TimmEncoder": ("extract.features.encoder", "TimmEncoder"),
    "TransferBenchError": ("extract.errors", "TransferBenchError"),
    "InvalidInputError": ("extract.errors", "InvalidInputError"),
}
__all__ = [
    "FeatureFile",
    "InvalidInputError",
    "TimmEncoder",
    "TransferBenchError",
    "embed",
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
