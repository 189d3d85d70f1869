"""`pipeline demo`."""

from pathlib import Path

import pytest

from tests.pipelines.fitting import UNTRAINED

TINY_TOUR = """
defaults: {dataset: digits, subset: 200, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, weights: untrained, image-size: 32, head: [knn, centroid]}
  - {command: train, network: resnet8, width: 0.25, epochs: 1, batch-size: 50}
search:
  {backbone: test_resnet, weights: untrained, dataset: digits, subset: 200, test_subset: 50, image-size: 32,
   head: logistic, trials: 2, space: {C: [0.001, 0.1]}}
report: A tour
"""


def test_the_demo_studies_searches_reports_and_makes_slides(pipeline, monkeypatch, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_TOUR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipelines.cli.commands.demo.WITHOUT", "tiny.yaml")
    for name in ("PIPELINE_DATA", "CIFAR10_DIR"):
        monkeypatch.delenv(name, raising=False)
    ended = pipeline("demo", "--json")
    assert ended.status == 0, ended.err
    shown = ended.json
    assert len(shown["ranked"]) == shown["computed"] == 3
    assert shown["search"]["best_spec"]["C"] in (0.001, 0.1)
    assert "A tour" in Path(shown["report"]["path"]).read_text(encoding="utf-8")
    assert Path(shown["report"]["slides"]).is_file()


def test_the_demo_refuses_a_directory_without_cifar(pipeline, tmp_path):
    ended = pipeline("demo", "--data-dir", tmp_path)
    assert ended.status == 2
    assert "must hold CIFAR-10" in ended.err


@pytest.mark.parametrize("name", ["digits-tour", "cifar10-tour"])
def test_the_tours_of_the_demo_are_whole_studies(name):
    from pipelines import search
    from pipelines.studies import study_file

    path = study_file.find(name)
    assert {job.command for job in study_file.read(path).jobs} == {"fit-head", "finetune", "train"}
    assert search.read(path).entries


def test_every_command_finds_cifar_10_by_the_one_variable(pipeline, fake_cifar, monkeypatch, tmp_path):
    place = fake_cifar("cifar10", [f"class {index}" for index in range(10)], train=20, test=5)
    monkeypatch.delenv("PIPELINE_DATA", raising=False)
    monkeypatch.setenv("CIFAR10_DIR", str(place))
    monkeypatch.setattr("extract.data.cifar.download", lambda *_: pytest.fail("what is here was downloaded"))
    (tmp_path / "tiny.yaml").write_text(TINY_TOUR.replace("digits", "cifar10").partition("report:")[0])
    monkeypatch.setattr("pipelines.cli.commands.demo.WITH_CIFAR", str(tmp_path / "tiny.yaml"))
    backbone = (*UNTRAINED, "--image-size", "32")
    planned = pipeline("run", tmp_path / "tiny.yaml", "--dry-run", "--json").json
    assert (planned["missing"], planned["impossible"]) == (3, 0)
    assert pipeline("fit-head", *backbone, "--dataset", "CIFAR10", "--head", "centroid").status == 0
    network = ("--network", "resnet8", "--width", "0.25", "--epochs", "1", "--batch-size", "50")
    assert pipeline("train", *network).status == 0
    assert pipeline("search", *backbone, "--dataset", "cifar10", "--head", "logistic", "--trials", "1").status == 0
    assert pipeline("demo", "--json").json["computed"] == 3
    assert "data:image/png" in Path(pipeline("report", "--json").json["path"]).read_text(encoding="utf-8")
    assert pipeline("fit-head", *backbone, "--dataset", "cifar100", "--data-dir", place).status == 2
