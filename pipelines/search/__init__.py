"""Hyperparameter search: many trials of one head or network, judged on held-out images, by several processes at once.

`search(subject, wanted, context)` runs one; `HeadSubject` is what it can be about.
"""

from pipelines.search.head import HeadSubject
from pipelines.search.run import Wanted, search
from pipelines.search.subject import Outcome, Subject, Watch

__all__ = ["HeadSubject", "Outcome", "Subject", "Wanted", "Watch", "search"]
