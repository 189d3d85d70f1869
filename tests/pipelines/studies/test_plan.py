"""What a study still needs: asked of the cache, and refused before anything is paid for."""

import pytest

from extract.data import datasets
from pipelines.studies import plan, study_file
from pipelines.workspace.context import Context

TINY = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
HEAD = "jobs:\n  - {command: fit-head, backbone: test_resnet, c-grid: 1e-2, seed: [0, 1]}\n"
ANOTHER = "  - {command: fit-head, backbone: test_resnet, c-grid: 1e-1}\n"


def test_the_plan_names_the_extraction_that_heads_share_and_computes_nothing(pipeline, written, tmp_path):
    answer = pipeline("run", written(TINY + HEAD), "--dry-run", "--json").json
    assert (answer["jobs"], answer["cached"], answer["missing"], answer["impossible"]) == (2, 0, 2, 0)
    assert [line["command"] for line in answer["plan"]] == ["extract", "extract", "fit-head", "fit-head"]
    assert all(line["seconds"] > 0 and line["bytes"] > 0 for line in answer["plan"])
    assert not (tmp_path / "workspace").exists()
    pipeline("run", written(TINY + HEAD))
    done = pipeline("run", written(TINY + HEAD + ANOTHER), "--dry-run", "--json").json
    assert [line["state"] for line in done["plan"]] == ["cached", "cached", "missing"]
    assert "3 jobs: 2 cached, 1 to run" in pipeline("run", written(TINY + HEAD + ANOTHER), "--dry-run").out


MISTAKES = [
    ("{command: fit-head, backbone: test_resnet, head: logistic, sizes: 64}", "of the logistic head"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, option: nonsense=3}", "unknown option 'nonsense'"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, optimizer: muon}", "unknown optimizer 'muon'"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, dropout: 3}", "dropout must be"),
    ("{command: fit-head, backbone: test_resnet, head: mlp, epochs: 0}", "epochs must be"),
    ("{command: fit-head, backbone: test_resnet, c-grid: -1}", "c-grid must be"),
    ("{command: fit-head, backbone: test_resmet}", "unknown backbone 'test_resmet'"),
    ("{command: extract, backbone: test_resnet, layers: 9}", "layers must be stages that test_resnet has"),
    ("{command: train, batch-size: 50, network: resnet2O}", "unknown network 'resnet2O'"),
    ("{command: train, batch-size: 50, network: resnet20, depth: 15}", "depth of resnet must be"),
    ("{command: train, batch-size: 50, network: resnet20, norm: none}", "unknown norm 'none' of resnet20"),
    ("{command: train, batch-size: 50, network: resnet20, growth-rate: 4}", "one that resnet20 has"),
    ("{command: train, batch-size: 50, network: resnet20, stem: imagenet}", "stem of resnet20 must be"),
    ("{command: train, batch-size: 50, network: vgg16, image-size: 1}", "image size must be"),
    ("{command: finetune, batch-size: 50, network: resnet20, weights: pretrained}", "timm has none for it"),
    ('{command: finetune, batch-size: 50, network: test_resnet, mode: "partial:99"}', "partial must be at most"),
]


@pytest.mark.parametrize(("job", "sentence"), MISTAKES)
def test_a_mistake_that_needs_no_data_is_refused_in_the_plan_with_its_line(pipeline, written, tmp_path, job, sentence):
    ended = pipeline("run", written(f"{TINY}jobs:\n  - {{command: extract, backbone: test_resnet}}\n  - {job}\n"))
    assert ended.status == 2
    assert ended.err.startswith("error: study.yaml:4:")
    assert sentence in ended.err
    assert not (tmp_path / "workspace").exists()


def test_an_extraction_comes_once_and_before_its_heads(tmp_path):
    found = study_file.parse(TINY + HEAD + "  - {command: extract, backbone: test_resnet}\n").jobs
    planned = plan.plan(found, Context(tmp_path))
    assert [job.command for job in planned.first] == ["extract", "extract"]  # one for each seed of the subset
    assert planned.first[0] in found
    assert len(planned.implied()) == 1


def test_an_unknown_dataset_makes_its_jobs_impossible_and_no_others(tmp_path):
    found = study_file.parse("jobs:\n  - {command: extract, dataset: [digits, digist]}\n").jobs
    states = [one.state for one in plan.plan(found, Context(tmp_path)).jobs]
    assert states == ["missing", "impossible"]


def test_a_plan_digests_each_data_set_once_and_the_next_plan_again(tmp_path, photo_folder, monkeypatch):
    digested = []
    real = datasets.folder.read
    monkeypatch.setattr(datasets.folder, "read", lambda root, **more: digested.append(root) or real(root, **more))
    found = study_file.parse(
        f"jobs:\n  - {{command: fit-head, dataset: {photo_folder}, image-size: [16, 32, 64]}}\n"
    ).jobs
    for count in (1, 2):
        plan.plan(found, Context(tmp_path))
        assert len(digested) == count
