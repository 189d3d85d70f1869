"""Run by test_processes.py in two processes: the first works before the second, and then fails.

python pair.py turns.py FOLDER
"""

import sys
import time
from pathlib import Path

from extract.errors import InvalidInputError, TransferBenchError
from pipelines.training import processes
from pipelines.workspace.context import Context


def main(folder: Path) -> None:
    """Writes into `folder` what this process found, and how its second turn ended."""
    made, said = folder / "made", []
    with processes.torchrun_group(), processes.joined(Context(folder)):
        with processes.in_turn():
            if processes.rank() == 0:
                time.sleep(0.3)  # long enough for the other to come too early, if nothing held it
                made.write_text("by the first")
            said.append(made.read_text())
        try:
            with processes.in_turn():
                if processes.rank() == 0:
                    raise InvalidInputError("data must be a folder; got none. Name one.")
                said.append("went on")
        except TransferBenchError as error:
            said.append(f"{type(error).__name__}: {error}")
        (folder / f"rank{processes.rank()}.txt").write_text("\n".join(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
