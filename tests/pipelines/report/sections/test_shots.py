"""Accuracy by labels per class."""

from pipelines.report.sections import learning
from pipelines.report.study.study import gather


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
    assert figure.caption.startswith("Mean over 2 draws of the labelled images")
    assert "logistic on resnet50, seed 0" in str(figure.chart)
