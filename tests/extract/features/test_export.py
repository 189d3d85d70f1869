"""A feature file as a table: Parquet, NumPy, CSV and AnnData hold the same rows."""

import numpy as np
import pandas
import pytest

from extract import FeatureFile
from tests.pipelines.fitting import TINY


def test_every_kind_of_table_holds_the_rows_of_the_file(pipeline, tmp_path):
    path = pipeline("extract", *TINY, "--subset", 30, "--test-subset", 10, "--json").json["path"]
    for suffix in ("npz", "csv", "parquet", "h5ad"):
        ended = pipeline("features", "export", path, tmp_path / f"t.{suffix}", "--json")
        assert (ended.status, ended.json["rows"]) == (0, 40), ended.err
    assert sorted(one.name for one in tmp_path.glob("*t.*")) == ["t.csv", "t.h5ad", "t.npz", "t.parquet"]
    file = FeatureFile(tmp_path / "workspace" / "features" / path.rpartition("/")[2])
    splits = [file.read(name) for name in ("train", "test")]
    features = np.concatenate([one.features[0] for one in splits]).astype(np.float32)
    ids = [name for one in splits for name in one.ids]
    labels = [file.class_names[label] for one in splits for label in one.labels]
    arrays = np.load(tmp_path / "t.npz")
    np.testing.assert_array_equal(arrays["features"], features)
    assert [arrays["class_names"][label] for label in arrays["labels"]] == labels
    for table in (
        pandas.read_csv(tmp_path / "t.csv", dtype={"label": str}),
        pandas.read_parquet(tmp_path / "t.parquet"),
    ):
        assert [table[name].tolist() for name in ("id", "label")] == [ids, labels]
        assert table["split"].tolist() == ["train"] * 30 + ["test"] * 10
        np.testing.assert_array_equal(table.iloc[:, 3:].to_numpy(np.float32), features)
    anndata = pytest.importorskip("anndata").read_h5ad(tmp_path / "t.h5ad")
    np.testing.assert_array_equal(anndata.X, features)
    assert (anndata.obs_names.tolist(), anndata.obs["label"].tolist()) == (ids, labels)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.h5", "t.csv"), "feature file must exist"),
        (("nowhere.h5", "t.txt"), "table must be a file that ends in .parquet, .npz, .csv, .h5ad"),
        (("nowhere.h5", "nowhere/t.csv"), "table must be a file that can be written"),
    ],
)
def test_mistakes_end_in_one_sentence(pipeline, words, said):
    ended = pipeline("features", "export", *words)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
