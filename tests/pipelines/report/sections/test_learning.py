"""Learning curves and diagnoses of the runs."""

from pipelines.report.page.blocks import Figures, Table
from pipelines.report.sections import learning
from pipelines.report.study.study import gather


def test_every_run_has_a_row_and_runs_with_curves_a_figure(tour):
    study = gather(tour, None)
    table, *rest = learning.by_epoch(study).blocks
    assert isinstance(table, Table)
    assert len(table.rows) == len([row for row in study.rows if row.best.training])
    assert any(isinstance(block, Figures) for block in rest)


def test_runs_without_curves_have_no_figure(workspace, make):
    record, table = make.head("ridge", "resnet50", accuracy=0.9)
    make.put(workspace, ({**record, "curves": {}}, table))
    blocks = learning.by_epoch(gather(workspace, None)).blocks
    assert not any(isinstance(block, Figures) for block in blocks)
