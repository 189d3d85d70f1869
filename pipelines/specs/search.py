"""Spec of a search beside its subject: the options of `pipeline search`, and the space. Imports no torch."""

import functools
from dataclasses import dataclass

from extract.runtime.options import option
from pipelines.specs.spec import Spec, seed_option

_search = functools.partial(option, group="Search")


@dataclass(frozen=True)
class SearchSpec(Spec):
    """The options of a search itself, and its space: `entries` as a file gives it, None for the subject's usual one."""

    entries: object = None
    trials: int = _search(20, "Trials in all, over processes and restarts.", low=1, metavar="N")
    timeout: float | None = _search(
        None, "Seconds after which no trial is begun or goes on.", above=0, metavar="SECONDS"
    )
    name: str | None = _search(
        None, "Name of the search.", metavar="NAME", default_text="from what is searched, and the space"
    )
    seed: int = seed_option()
