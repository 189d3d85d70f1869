"""The talk: slides made from the report's sections, as PowerPoint or as markdown for Marp and Quarto."""

import importlib.util


def is_available() -> bool:
    """Whether python-pptx is installed, which PowerPoint files need."""
    return importlib.util.find_spec("pptx") is not None
