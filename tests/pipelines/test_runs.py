"""`pipelines.runs`: the records of a workspace as a frame."""

import pipelines


def test_every_record_is_a_row_with_its_scores_and_hyperparameters(studied, pipeline):
    table = pipelines.runs(studied)
    listed = pipeline("runs", "--json").json["runs"]
    assert list(table.index) == [one["run"] for one in listed]
    assert table["test_accuracy"].tolist() == [one["test_accuracy"] for one in listed]
    assert table["option.extraction.views"].notna().all()
    assert table.sort_values("test_accuracy").index[-1] in table.index
