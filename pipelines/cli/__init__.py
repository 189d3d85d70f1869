"""The command line: parse -> spec -> stage -> print. Importing it imports no torch, timm, h5py or joblib."""

import os
import sys

from pipelines.cli.terminal.process import keep_children_quiet

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 2 the user's mistake, 1 a failure, 130 interrupted."""
    os.environ.setdefault("SCIPY_ARRAY_API", "1")  # scipy reads it when it is imported; for `--solver sklearn` on a GPU
    if arguments is None and "--debug" not in sys.argv:
        keep_children_quiet()
    try:
        from pipelines.cli import group
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    group.main(arguments)
