"""Hyperparameter search: many trials of one head or network, judged on held-out images, by several processes at once.

`search(subject, wanted, context)` runs one; `HeadSubject` is what it can be about; `build` makes both from options
by name, and `section` reads the `search` section of a study.
"""

from pipelines.search.build import build, section
from pipelines.search.head import HeadSubject
from pipelines.search.run import Wanted, search
from pipelines.search.subject import Outcome, Subject, Watch

__all__ = ["HeadSubject", "Outcome", "Subject", "Wanted", "Watch", "build", "search", "section"]
