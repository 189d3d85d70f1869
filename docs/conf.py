"""Sphinx: pages in Markdown (MyST), with tables that `generate.py` writes before every build."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

project = "transfer-bench"
author = "The transfer-bench developers"
extensions = ["myst_parser"]
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "_generated"]
html_theme = "furo"
html_title = "transfer-bench"
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["tables.css"]
nitpicky = True


def setup(app):
    """Write the generated tables before the pages are read."""
    from generate import write

    app.connect("builder-inited", lambda app: write(HERE / "_generated"))
