"""What a plan says that a job takes."""

import pytest

from pipelines.specs import NetworkSpec
from pipelines.studies import estimate, timing
from pipelines.studies.jobs import Job

TINY = {"network": "resnet20", "width": 0.5, "dataset": "digits", "epochs": 4, "batch_size": 50, "subset": 1000}


def test_a_network_is_timed_once_and_its_estimate_is_what_the_steps_took(tmp_path, monkeypatch):
    asked = []

    def rate(spec, **_):
        asked.append(spec)
        return 200.0

    monkeypatch.setattr(timing, "training_rate", rate)
    estimator = estimate.Estimator(tmp_path, device="cpu")
    for options, images in (({}, 4000), ({"epochs": 2}, 2000), ({"refit": True, "validation": "0.1"}, 8000)):
        cost = estimator.of(Job("train", network=NetworkSpec.of(**{**TINY, **options})))
        evaluation = 360 / (3 * 200)
        assert cost.seconds == pytest.approx(estimate.JOB_SECONDS + images / 200 + evaluation)
    small = estimator.of(Job("train", network=NetworkSpec.of(**TINY, small_share=0.5)))
    assert small.seconds == pytest.approx(estimate.JOB_SECONDS + 4000 * (1 - 0.5 * 0.4375) / 200 + evaluation)
    assert len(asked) == 1


def test_what_cannot_be_timed_has_the_rate_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(timing, "training_rate", lambda *_, **__: None)
    cost = estimate.Estimator(tmp_path, device="cpu").of(Job("train", network=NetworkSpec.of(**TINY)))
    assert cost.seconds > estimate.JOB_SECONDS


def test_real_steps_have_a_rate():
    spec = NetworkSpec.of(**{**TINY, "network": "resnet8"})
    assert timing.training_rate(spec, classes=10, image_size=8, device="cpu", expected=50) > 0


def test_the_estimate_of_the_disk_is_that_of_the_file(pipeline, written, tmp_path):
    text = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
    path = written(text + "jobs:\n  - {command: extract, backbone: test_resnet}\n")
    planned = pipeline("run", path, "--dry-run", "--json").json
    pipeline("run", path)
    (file,) = (tmp_path / "workspace" / "features").glob("*.h5")
    assert planned["bytes"] == pytest.approx(file.stat().st_size, rel=0.5)
