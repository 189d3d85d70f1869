"""Learning curves and diagnoses of the runs, and accuracy by labels per class."""

from pipelines.report.page.blocks import Figures, Table
from pipelines.report.sections import confusion, learning
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


def test_few_labels_of_any_seed_are_drawn_and_name_their_draws_and_seed(workspace, make):
    table = [
        {
            "labels_per_class": count,
            "accuracies": [0.5, 0.7],
            "mean": 0.6,
            "deviation": 0.1,
            "least": 0.5,
            "greatest": 0.7,
        }
        for count in (1, 5)
    ]
    for seed in range(3):
        record, logits = make.head("logistic", "resnet50", accuracy=0.7 + seed / 10, seed=seed)
        make.put(workspace, ({**record, **({"shots": table} if seed == 0 else {})}, logits))
    [figure] = learning.by_labels(gather(workspace, None)).blocks
    assert figure.caption.startswith("Mean over 2 draws of the labeled images")
    assert "logistic on resnet50, seed 0" in str(figure.chart)


def test_the_seed_that_stands_for_a_row_without_validation_images_is_not_called_the_best(workspace, make):
    for seed in range(2):
        record, logits = make.network("resnet20", "scratch", accuracy=0.8 + seed / 10, seed=seed)
        make.put(workspace, ({**record, "validation": None}, logits))
    study = gather(workspace, None)
    for table in (learning.by_epoch(study).blocks[0], confusion.by_class(study).blocks[0]):
        assert table.caption.endswith("with the highest validation accuracy; without validation images, the first.")
