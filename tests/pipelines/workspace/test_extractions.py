"""Records of feature files."""

from pathlib import Path

import pytest

from extract.features.store import FeatureFile
from pipelines.workspace import extractions

TINY = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", 32)


@pytest.fixture
def file(pipeline):
    answer = pipeline("extract", *TINY, "--subset", 100, "--test-subset", 50, "--json").json
    return FeatureFile(Path(answer["path"]))


def test_a_feature_file_has_a_record_of_what_it_took(file, tmp_path):
    record = extractions.find(tmp_path / "workspace", file.content)
    assert record is not None
    assert record.digest == file.digest
    assert record.seconds is not None
    assert extractions.shares(record.seconds, file)["train"] == pytest.approx(record.seconds * 100 / 150)


def test_a_damaged_record_is_named_and_counts_as_none(file, tmp_path):
    (path,) = (tmp_path / "workspace" / "extractions").glob("*.json")
    path.write_bytes(path.read_bytes()[:-20])
    said = []
    assert extractions.find(tmp_path / "workspace", file.content, notice=said.append) is None
    assert "must be intact" in said[0]
    assert list(extractions.find_all(tmp_path / "workspace", notice=said.append)) == []
