"""Run by test_processes.py, once for each of two processes: the first works before the second, and then fails.

python turns.py FOLDER            with the marks of torchrun in the environment
"""

import sys
import time
from pathlib import Path

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.training import processes
from pipelines.workspace.context import Context


def main(folder: Path) -> None:
    """Prints what this process found, and how its second turn ended."""
    made = folder / "made"
    with processes.torchrun_group(), processes.joined(Context(folder)):
        with processes.in_turn():
            if processes.rank() == 0:
                time.sleep(0.3)  # long enough for the other to come too early, if nothing held it
                made.write_text("by the first")
            print(made.read_text())
        try:
            with processes.in_turn():
                if processes.rank() == 0:
                    raise InvalidInputError("data must be a folder; got none. Name one.")
                print("went on")
        except TransferBenchError as error:
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
