"""Labels and groups from a file, from command to command: what is chosen, kept and shown keeps groups whole."""

import numpy as np
import pytest

import heads
from extract import FeatureFile
from heads.analysis import labels
from pipelines.report.study.images import Images
from pipelines.workspace import naming, records
from tests.pipelines.cli.inputs.case import BACKBONE, make_photos


@pytest.fixture
def words(tmp_path) -> tuple[str, ...]:
    """The options of a data set of 40 images, five of each of eight objects."""
    make_photos(tmp_path / "D", ("red", "blue"), count=20)
    names = [f"{name}/{at:02d}.png" for name in ("red", "blue") for at in range(20)]
    rows = [f"{name},{'wood' if at < 20 else 'stone'},object {at // 5}" for at, name in enumerate(names)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,material,thing", *rows]))
    labels = ("--labels", str(tmp_path / "labels.csv"), "--columns", "label=material,group=thing")
    return ("--dataset", str(tmp_path / "D"), *labels)


def test_a_head_is_chosen_and_scored_on_other_objects_than_it_learns_from(pipeline, words, tmp_path):
    ended = pipeline("fit-head", *BACKBONE, *words, "--c-grid", "0.1,1", "--shots", "1,3", "--draws", 1, "--json")
    assert ended.status == 0, ended.err
    assert ended.json["notices"][-1] == "8 groups, each in one split only"
    file = FeatureFile(tmp_path / "workspace" / "features" / ended.json["features"])
    train, test = file.read("train"), file.read("test")
    assert file.class_names == ("stone", "wood")
    assert not set(train.groups) & set(test.groups)
    record = records.read(tmp_path / "workspace", ended.json["run"])
    keep, hold = heads.validation_split(train.labels, 0.1, seed=0, groups=train.groups)
    assert not set(train.groups[keep]) & set(train.groups[hold])
    assert (record.choice.validation_rows, record.test.rows) == (len(hold), 10)
    assert record.dataset.name == "D by labels.csv"
    assert record.notices == ended.json["notices"]
    refused = pipeline("fit-head", *BACKBONE, *words, "--shots", "1,9")
    assert refused.status == 2
    assert "shots must be at most 3, the groups of the smallest class; got 1, 9" in refused.err
    assert naming.images([record]) == "D by labels.csv, 30 training and 10 test images"
    images = Images(tmp_path / "workspace")  # the report finds them again: the workspace remembers the folder
    split = images.test_split(record)
    assert split is not None
    assert split.ids == records.test_ids(tmp_path / "workspace", record.run)
    assert images.key(record, 0)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("red/99.png,wood,object 1", "image must exist; got 'red/99.png' on line 42 of labels.csv"),
        (
            "red/00.png,wood,object 0",
            "images must stand in one row each; got one twice, on lines 2 and 42 of labels.csv",
        ),
        ("red/00.png,wood", "rows must have as many cells as the header, 3; got 2 on line 42 of labels.csv"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_line_and_is_no_run(row, sentence, pipeline, words, tmp_path):
    with (tmp_path / "labels.csv").open("a") as file:
        file.write(f"\n{row}\n")
    ended = pipeline("fit-head", *BACKBONE, *words)
    assert ended.status == 2
    assert sentence in ended.err
    assert not (tmp_path / "workspace" / "runs").exists()


def test_an_audit_judges_labels_by_heads_that_do_not_know_the_object(pipeline, words, monkeypatch):
    seen = []
    real = labels.out_of_fold

    def spied(*given, groups, **options):
        seen.append(groups)
        return real(*given, groups=groups, **options)

    monkeypatch.setattr(labels, "out_of_fold", spied)
    ended = pipeline("audit", *BACKBONE, *words, "--json")
    assert ended.status == 0, ended.err
    assert [len(set(groups)) for groups in seen] == [6]


def test_networks_and_searches_hold_back_whole_objects(pipeline, words, tmp_path, monkeypatch):
    seen = []
    real = heads.validation_split

    def spied(labels, fraction, **options):
        seen.append(options.get("groups"))
        return real(labels, fraction, **options)

    monkeypatch.setattr(heads, "validation_split", spied)
    network = ("--network", "test_resnet", "--epochs", 1, "--batch-size", 8, "--image-size", 32, "--validation", 0.2)
    ended = pipeline("train", *network, *words, "--json")
    assert ended.status == 0, ended.err
    record = records.read(tmp_path / "workspace", ended.json["run"])
    assert (record.choice.training_rows, record.choice.validation_rows) == (20, 10)
    (tmp_path / "space.yaml").write_text("space: {learning_rate: [0.01]}")
    searched = pipeline("search", tmp_path / "space.yaml", *network, *words, "--trials", 1, "--json")
    assert searched.status == 0, searched.err
    best = records.done(tmp_path / "workspace", searched.json["run"])
    assert (best.choice.training_rows, best.choice.validation_rows) == (30, 10)  # refitted
    assert seen
    assert all(groups is not None and np.unique(groups).size == 6 for groups in seen)
