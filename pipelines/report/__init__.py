"""Records -> one HTML page that works offline, and its figures as SVG and PNG.

`study` gathers what is shown (records, kept logits, images), a module a section in `overview` and `details` turns it
into blocks of text, tables and Vega-Lite charts (`charts`), `page` puts them into the template and draws them without
a browser. Names are imported when they are first used, so importing the package loads no library that draws.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.report.build import Built, build

__all__ = ["Built", "build"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        import importlib

        return getattr(importlib.import_module("pipelines.report.build"), name)
    raise AttributeError(f"module 'pipelines.report' has no attribute {name!r}")
