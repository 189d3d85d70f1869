"""Hyperparameter search: many trials of one head or network, judged on validation images, by several processes at once.

`search(subject, wanted, context)` runs one; `HeadSubject` is what it can be about; `build` makes both from options
by name, and `read` gives the space and the options that a file holds.
"""

from pipelines.search.build import build
from pipelines.search.head import HeadSubject
from pipelines.search.run import Wanted, search
from pipelines.search.search_file import SearchFile, read
from pipelines.search.subject import Outcome, Subject, Watch

__all__ = ["HeadSubject", "Outcome", "SearchFile", "Subject", "Wanted", "Watch", "build", "read", "search"]
