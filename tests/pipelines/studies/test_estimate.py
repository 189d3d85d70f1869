"""What a plan says that a job takes: properties that hold at whatever speed."""

import h5py
import pytest

from heads.registry import kinds, space_class
from heads.space import Space
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec
from pipelines.studies import estimate, timing
from pipelines.studies.estimate import Estimator, JobCost
from pipelines.studies.jobs import Job
from pipelines.workspace import rates
from pipelines.workspace.rates import Rate

TINY = {"network": "resnet20", "width": 0.5, "dataset": "digits", "epochs": 4, "batch_size": 50, "subset": 1000}
OWN = """
defaults: {dataset: digits, subset: 100, test-subset: 50}
jobs:
  - command: fit-head
    head: centroid
    weights: {command: train, network: preact18, width: 0.25, epochs: 1, batch-size: 50}
"""
FEATURES = {"backbone": "test_resnet", "weights": "untrained", "dataset": "digits", "image_size": 32}
STUDY = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, head: [ridge, centroid]}
"""


@pytest.fixture
def tried(monkeypatch):
    """The works that were tried; every trial takes no time and finds 1 ms an image, a GFLOP a second."""
    asked = []

    def trained(spec, **_):
        asked.append(spec)
        return {"trained": Rate(seconds=3e-3, begin=2.0), "scored": Rate(seconds=1e-3)}

    def embedded(backbone, **_):
        asked.append(backbone)
        return Rate(seconds=1e-3, begin=2.0)

    monkeypatch.setattr(timing, "training", trained)
    monkeypatch.setattr(timing, "embedding", embedded)
    monkeypatch.setattr(timing, "product_rate", lambda device: 1e12)
    return asked


def of(job, workspace):
    """The cost of a job in a workspace."""
    cost = Estimator(workspace, device="cpu").of(job)
    assert cost is not None
    return cost


def trained(workspace, **options):
    """The cost of a training."""
    return of(Job("train", network=NetworkSpec.of(**{**TINY, **options})), workspace)


def fitted(workspace, head, subset, **options):
    """The cost of a head."""
    features = ExtractSpec(**{**FEATURES, "subset": subset, **options})
    return of(Job("fit-head", features, head=HeadSpec(head)), workspace)


def test_a_training_costs_its_beginning_its_steps_and_its_scores(tried, tmp_path):
    usual = trained(tmp_path)
    scored = (4 + 1) * 250 + 360  # a sample after each epoch and at the end, and the test images
    begun = estimate.JOB_SECONDS + estimate.READ_SECONDS * 1797 + 2.0
    assert usual.seconds == pytest.approx(begun + 4000 * 3e-3 + scored * 1e-3)
    assert trained(tmp_path, epochs=8).seconds > usual.seconds + 4000 * 3e-3
    assert trained(tmp_path, tta="flip").seconds == pytest.approx(usual.seconds + 2 * 360e-3)
    refitted = trained(tmp_path, validation="0.1", refit=True)
    assert refitted.seconds > trained(tmp_path, validation="0.1").seconds + 4000 * 3e-3
    whole, small = (trained(tmp_path, small_share=share, image_size=32) for share in (0.0, 0.5))
    assert whole.seconds - small.seconds == pytest.approx(2000 * (1 - (24 / 32) ** 2) * 3e-3)
    assert usual.basis == "trial"
    assert len(tried) == 2  # a size each: what was tried stands in the workspace


def test_twice_the_images_take_twice_as_long_to_embed_and_features_of_two_views_too(tried, tmp_path):
    def cost(**options):
        return of(Job("extract", ExtractSpec(**FEATURES, **options)), tmp_path)

    one, two = (cost(subset=count, test_subset=count) for count in (100, 200))
    assert two.seconds - one.seconds == pytest.approx(0.2)
    assert cost(subset=100, test_subset=100, views="flip").seconds == pytest.approx(two.seconds)
    assert two.byte_count == 2 * one.byte_count
    assert len(tried) == 1


def test_of_some_classes_only_their_images_count(tried, tmp_path):
    def seconds(**options):
        return of(Job("extract", ExtractSpec(**FEATURES, **options)), tmp_path).seconds

    every, half = seconds(), seconds(classes="0,1,2,3,4")
    assert every - half == pytest.approx(1797 / 2 * (1e-3 + estimate.READ_SECONDS), rel=0.01)


def test_a_compiled_network_is_ready_later_and_faster_then(tried, tmp_path, monkeypatch):
    from extract.features import engines

    def cost(engine, count):
        monkeypatch.setattr(engines, "choose_engine", lambda *_, **__: (engine, ""))
        return of(Job("extract", ExtractSpec(**FEATURES, subset=count, test_subset=100)), tmp_path).seconds

    assert cost("compiled", 100) > cost("eager", 100)
    assert cost("compiled", 1400) - cost("compiled", 100) < cost("eager", 1400) - cost("eager", 100)


@pytest.mark.parametrize("head", kinds())
def test_more_images_make_every_head_dearer(head, tried, tmp_path):
    assert 0 < fitted(tmp_path, head, 350).seconds < fitted(tmp_path, head, 1400).seconds


def test_a_kernel_over_twice_the_images_is_estimated_at_four_to_eight_times_the_seconds_and_keeps_its_rows(
    tried, tmp_path
):
    begun = estimate.JOB_SECONDS + space_class("kernel").fixed_seconds
    one, two = (fitted(tmp_path, "kernel", count, dataset="cifar10") for count in (4000, 8000))
    assert 4 < (two.seconds - begun) / (one.seconds - begun) < 8
    assert two.byte_count - fitted(tmp_path, "ridge", 8000, dataset="cifar10").byte_count == 8000 * 96 * 2


def test_a_finished_run_is_what_the_next_estimate_goes_by(tmp_path, monkeypatch, pipeline, written):
    monkeypatch.setattr(rates, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(Space, "fixed_seconds", 0.0)
    text = STUDY + "  - {command: train, network: resnet8, width: 0.25, epochs: 1, batch-size: 50}\n"
    path = written(text)
    assert {line["basis"] for line in pipeline("run", path, "--dry-run", "--json").json["plan"]} >= {"trial"}
    assert pipeline("run", path).status == 0
    again = written(text.replace("subset: 100", "subset: 200"))
    plan = pipeline("run", again, "--dry-run", "--json").json["plan"]
    assert [line["basis"] for line in plan] == ["run"] * len(plan)


def test_the_sum_over_jobs_is_the_plans_and_what_is_cached_costs_nothing(pipeline, written, tmp_path):
    path = written(STUDY)
    planned = pipeline("run", path, "--dry-run", "--json").json
    assert planned["seconds"] > sum(line["seconds"] for line in planned["plan"]) > 0
    assert planned["bytes"] == sum(line["bytes"] for line in planned["plan"])
    pipeline("run", path)
    (file,) = (tmp_path / "workspace" / "features").glob("*.h5")
    assert planned["plan"][0]["bytes"] == pytest.approx(file.stat().st_size, rel=0.5)
    done = pipeline("run", path, "--dry-run", "--json").json
    assert [(line["seconds"], line["bytes"]) for line in done["plan"]] == [(None, None)] * 2
    assert done["bytes"] == 0


def test_features_of_a_network_that_a_job_trains_are_those_of_that_network(pipeline, written, tmp_path):
    planned = pipeline("run", written(OWN), "--dry-run", "--json").json["plan"]
    before = next(line for line in planned if line["command"] == "extract")
    assert pipeline("run", written(OWN)).status == 0
    (file,) = (tmp_path / "workspace" / "features").glob("*.h5")
    with h5py.File(file) as made:
        dimension = made["train"]["features"].shape[2]
    assert before["bytes"] == 150 * (2 * dimension + 64)
    planned = pipeline("run", written(OWN.replace("centroid", "centroid\n    subset: 90")), "--dry-run", "--json").json
    after = next(line for line in planned["plan"] if line["command"] == "extract")
    assert (after["state"], after["bytes"]) == ("missing", 140 * (2 * dimension + 64))
    assert min(before["seconds"], after["seconds"]) > 0


def test_costs_add_up_and_the_least_sure_basis_is_that_of_the_sum():
    total = JobCost(1.0, 10, "run") + JobCost(2.0, 20, "arithmetic") + JobCost(0.5, 0, "trial")
    assert total == JobCost(3.5, 30, "arithmetic")


def test_what_cannot_be_tried_goes_by_its_arithmetic(tried, tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "training", lambda *_, **__: {})
    assert trained(tmp_path).basis == "arithmetic"
    monkeypatch.setattr(estimate, "TRIAL_SECONDS", 0.0)
    cost = of(Job("extract", ExtractSpec(**FEATURES)), tmp_path)
    assert cost.basis == "arithmetic"
    assert cost.seconds > estimate.JOB_SECONDS
