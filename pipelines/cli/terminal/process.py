"""Warnings, log lines and threads of the libraries of this process and of its children: nothing of theirs is shown on a
user's terminal, and `--threads` limits them all."""

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator

from extract.errors import InvalidInputError

OWN = ("extract", "heads", "finetune", "pipelines")
# For processes that are started from here, and for what libraries' C++ parts print.
ENVIRONMENT = {"PYTHONWARNINGS": "ignore", "TORCH_CPP_LOG_LEVEL": "ERROR"}
THREAD_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextlib.contextmanager
def kept_quiet(*, unless: bool) -> Iterator[None]:
    """Drops warnings of Python code and log lines below errors while the body runs; `unless` shows them."""
    if unless:
        yield
        return
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.showwarning = lambda *_: None
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


def use_threads(count: int) -> None:
    """Computes with `count` threads from here on, in processes that are started from here too."""
    if count < 1:
        raise InvalidInputError(f"threads must be a whole number from 1; got {count}. Leave it out for one a core.")
    for name in THREAD_COUNTS:
        os.environ[name] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
