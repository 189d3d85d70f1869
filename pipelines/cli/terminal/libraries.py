"""What libraries say to programmers: their warnings and log lines have no place on a user's terminal."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator

OWN = ("extract", "heads", "finetune", "pipelines")
# For processes that are started from here, and for what libraries' C++ parts print.
ENVIRONMENT = {"PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}


@contextlib.contextmanager
def kept_quiet(*, unless: bool) -> Iterator[None]:
    """Drops warnings of Python code and log lines below errors while the body runs; `unless` shows them."""
    if unless:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.showwarning = _dropped
        try:
            yield
        finally:
            logging.disable(before)


@contextlib.contextmanager
def own_heard(notice: Callable[[str], None]) -> Iterator[None]:
    """Gives warnings of this project, which are meant for its user, to `notice` while the body runs."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if category.__module__.partition(".")[0] in OWN:
            notice(str(message))
        else:
            before(message, category, *place, **more)  # type: ignore[arg-type]

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def keep_children_quiet() -> None:
    """Sets what processes and libraries read from the environment; what the user has set stays."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if sys.stderr is None or "--quiet" in sys.argv or not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # its bars of downloads are no lines of a log


def _dropped(*_: object) -> None:
    """Takes a warning."""
