"""The jobs of a study: their options and digests."""

import json
from types import SimpleNamespace

import pytest

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec
from pipelines.specs.network import STARTS
from pipelines.studies import jobs, study_file
from pipelines.workspace import records

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_every_option_of_the_specs_is_an_option_of_a_study():
    specs = {"extract": [ExtractSpec], "fit-head": [ExtractSpec, HeadSpec], "train": [NetworkSpec]}
    for command, kinds in specs.items():
        for kind in kinds:
            lacking = set(STARTS) if command == "train" else set()
            assert set(kind.declared()) - lacking <= set(jobs.options(command))


def test_equal_jobs_have_one_digest_and_others_another():
    one, two = jobs_of(HEADER + "fit-head\n    head: [logistic, mlp]")
    again, _ = jobs_of(HEADER + "fit-head\n    head: [logistic, mlp]")
    assert one.digest() == again.digest() != two.digest()
    assert len(one.digest()) == 12


def test_an_option_left_out_has_the_default_of_the_command_line():
    (extraction,) = jobs_of(HEADER + "extract")
    (head,) = jobs_of(HEADER + "fit-head")
    (network,) = jobs_of(HEADER + "train")
    assert extraction.features == ExtractSpec()
    assert (head.features, head.head) == (ExtractSpec(), HeadSpec())
    assert network.network == NetworkSpec()


def test_finetune_starts_from_pretrained_weights_and_train_from_scratch():
    (tuned,) = jobs_of(HEADER + "finetune")
    assert (tuned.network.mode, tuned.network.weights) == ("full", "pretrained")
    modes = jobs_of(HEADER + 'finetune\n    mode: [full, head-first, "partial:2"]')
    assert [job.network.mode for job in modes] == ["full", "head-first", "partial:2"]


def test_heads_of_several_seeds_share_features_that_draw_nothing():
    (one, two) = jobs_of(HEADER + "fit-head\n    seed: [1, 2]")
    assert one.features == two.features
    assert [one.head.seed, two.head.seed] == [1, 2]
    drawn = jobs_of(HEADER + "fit-head\n    seed: [1, 2]\n    subset: 100")
    assert [job.features.seed for job in drawn] == [1, 2]


def test_seeds_repeats_a_head_on_the_same_features():
    found = jobs_of(HEADER + "fit-head\n    seed: 4\n    seeds: 3\n    subset: 100")
    assert [job.head.seed for job in found] == [4, 5, 6]
    assert {job.features.seed for job in found} == {4}


def test_paths_are_absolute_so_that_other_processes_find_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (job,) = jobs_of(HEADER + "extract\n    dataset: photos\n    data-dir: here")
    assert job.features.dataset == str(tmp_path / "photos")
    assert job.features.data_dir == str(tmp_path / "here")


def test_weights_of_an_own_run_mean_the_network_that_it_trained(tmp_path, monkeypatch):
    """In a study as on the command line; one that is named is taken at its word."""
    known = {"0123456789ab": SimpleNamespace(run="0123456789ab", kind="network", architecture="resnet8")}
    real = records.read
    monkeypatch.setattr(records, "read", lambda workspace, run: known.get(run) or real(workspace, run))
    text = "defaults: {weights: 0123456789ab}\njobs: [{command: finetune}, {command: extract}, {command: train}]"
    tuned, extraction, scratch = study_file.parse(text, study_file.Environment(workspace=tmp_path)).jobs
    assert (tuned.network.network, extraction.features.backbone) == ("resnet8", "resnet8")
    assert (scratch.network.network, scratch.network.weights) == ("resnet18", "none")
    environment = study_file.Environment(workspace=tmp_path)
    named = study_file.parse("jobs: [{command: finetune, weights: 0123456789ab, network: x}]", environment)
    assert named.jobs[0].network.network == "x"
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:28: .*ba9876543210"):
        study_file.parse("jobs: [{command: finetune, weights: ba9876543210}]", environment)


def test_jobs_are_small_and_hold_primitives_only():
    (job,) = study_file.parse("jobs: [{command: fit-head}]").jobs
    assert isinstance(job, jobs.Job)
    assert json.loads(json.dumps(job.key()))["command"] == "fit-head"
