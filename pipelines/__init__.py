"""Specs -> tasks -> records -> report. The public face for notebooks is `runs`; commands are in `pipelines.cli`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

__all__ = ["runs"]


def runs(workspace: str | Path = "workspace") -> "pandas.DataFrame":
    """Every record of a workspace as a row, indexed by its name, with the columns of `pipeline runs --csv`.

    Hyperparameters are columns `option.NAME`. Broken records are left out, with a warning each. Raises
    `UnavailableError` without pandas.
    """
    import warnings

    from extract.errors import extra
    from pipelines.tasks.table import COLUMNS, rows

    pandas = extra("pandas", of="pandas", thing="a frame of runs")
    found, problems = rows(Path(workspace), where={})
    for problem in problems:
        warnings.warn(problem, stacklevel=2)
    options = sorted({name for row in found for name in row} - set(COLUMNS))
    return pandas.DataFrame(found, columns=[*COLUMNS, *options]).set_index("run")
