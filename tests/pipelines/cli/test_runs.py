"""The table of runs."""

from pipelines.cli.runs import _cells
from pipelines.table import row


def test_runs_that_differ_in_their_seed_or_in_how_many_images_look_different():
    record = {"run": "0" * 12, "name": "resnet20 from scratch (short)", "status": "done", "dataset": {"name": "digits"}}
    assert _cells(row({**record, "seed": 0}))[1:3] == ["resnet20 from scratch (short)", "digits"]
    other = row({**record, "seed": 2, "dataset": {"name": "digits", "subset": 500}})
    assert _cells(other)[1:3] == ["resnet20 from scratch (short), seed 2", "digits, 500 images"]
