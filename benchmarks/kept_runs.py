"""The rows of a workspace's runs, with the options that were given, as a result file that outlives the workspace.

    python -m benchmarks.kept_runs WORKSPACE --what "pipeline run cifar10-lab" --processors "one core, busy"

Runs of earlier today on the same hardware stay in the file.
"""

import argparse
from pathlib import Path

from benchmarks.hardware import earlier_today, write
from finetune.recipes import RECIPES
from pipelines.tasks import table
from pipelines.workspace import records
from pipelines.workspace.schema import DoneRecord, Options


def main() -> None:
    """Parses the command line and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--what", required=True, help="the commands that made them")
    parser.add_argument("--processors", required=True, help="what they ran on, and what ran beside them")
    arguments = parser.parse_args()
    found = [one for one in records.read_all(arguments.workspace)[0] if isinstance(one, DoneRecord)]
    rows = [_row(record, processors=arguments.processors) for record in found]
    kept = {one["run"]: one for one in earlier_today("runs", "runs")} | {row["run"]: row for row in rows}
    print(write("runs", {"what": arguments.what, "runs": list(kept.values())}, libraries=("torch", "timm")))


def _row(record: DoneRecord, *, processors: str) -> Options:
    plain = {name: value for name, value in table.row(record).items() if not name.startswith("option.")}
    return {**plain, "options": _given(record), "processor_use": processors}


def _given(record: DoneRecord) -> Options:
    """The options of a run that differ from its recipe's, or that its head was given."""
    given = {**record.key.get("architecture", {}), **record.key.get("options", {})}
    if (recipe := record.key.get("recipe")) is None:
        return given
    usual = RECIPES[recipe].as_dict()
    chosen = {name: value for name, value in record.key["recipe_options"].items() if value != usual.get(name)}
    return {"recipe": recipe, **given, **chosen}


if __name__ == "__main__":
    main()
