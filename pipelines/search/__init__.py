"""Hyperparameter search: many trials of one head or network, scored on validation images, by several processes at once.

`search(subject, spec, context)` runs one; `HeadSubject` is what it can be about; `build` makes both from options
by name, and `read` gives the space and the options that a file holds.
"""

from pipelines.search.build import build
from pipelines.search.head import HeadSubject
from pipelines.search.run import check_file, search
from pipelines.search.search_file import SearchFile, read
from pipelines.search.subject import Subject, TrialScore, Watch
from pipelines.specs.search import SearchSpec

__all__ = [
    "HeadSubject",
    "SearchFile",
    "SearchSpec",
    "Subject",
    "TrialScore",
    "Watch",
    "build",
    "check_file",
    "read",
    "search",
]
