"""Maps of embeddings."""

from pathlib import Path

from pipelines.report.sections import embeddings
from pipelines.report.study.study import gather
from tests.pipelines.fitting import TINY


def test_the_features_of_a_head_have_a_map_by_each_method_and_without_them_there_is_none(pipeline, tmp_path):
    words = (*TINY, "--subset", 200, "--test-subset", 60, "--head", "centroid", "--json")
    features = Path(pipeline("fit-head", *words).json["features"])
    (maps,) = embeddings.section(gather(tmp_path / "workspace", None)).blocks
    assert len(maps.figures) == len(embeddings.METHODS)
    features.unlink()
    assert embeddings.section(gather(tmp_path / "workspace", None)).blocks == []
