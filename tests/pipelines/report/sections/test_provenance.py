"""Where the numbers of a run come from."""

from pipelines.report.sections import comparison, provenance
from pipelines.report.study.study import gather


def test_images_trained_on_and_for_validation_stand_in_the_table_and_with_the_run(workspace, make):
    counts = {"training_rows": 1437, "validation_rows": 144, "refitted": True}
    make.put(workspace, make.network("resnet20 refitted", "scratch", accuracy=0.9, choice=dict(counts)))
    make.put(
        workspace,
        make.network("resnet20", "scratch", accuracy=0.8, choice={**counts, "training_rows": 1293, "refitted": False}),
    )
    study = gather(workspace, None)
    table = comparison.table(study)
    at = [column.title for column in table.columns].index("Trained on")
    assert table.columns[at + 1].title == "Validation"
    assert [[cell.value for cell in line[at : at + 2]] for line in table.rows] == [[1437, 144], [1293, 144]]
    facts = [dict(fold.facts) for fold in provenance.section(study).blocks]
    assert [one["trained on"] for one in facts] == ["1,437 images", "1,293 images"]
    assert [one["validation"] for one in facts] == [
        "144 images, trained on as well once the choice was made",
        "144 images, not trained on",
    ]
