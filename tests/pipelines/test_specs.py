"""Specs and the keys of the cache: what must be raised when the same key would give something else."""

import pytest

from heads.registry import kinds, space_class
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.studies.estimate import JOB_SECONDS, Estimator
from pipelines.studies.jobs import Job


def test_every_kind_of_head_has_an_estimate():
    assert all(space_class(kind).row_seconds > 0 for kind in kinds())


def test_a_kernel_over_twice_the_images_is_estimated_at_four_times_the_seconds_and_keeps_its_rows(tmp_path):
    def cost(subset, head="kernel"):
        features = ExtractSpec(backbone="test_resnet", weights="untrained", subset=subset)
        return Estimator(tmp_path, device="cpu").of(Job("fit-head", features, head=HeadSpec(head)))

    def fitting(subset, head="kernel"):
        return cost(subset, head).seconds - JOB_SECONDS

    assert fitting(2000) == pytest.approx(4 * fitting(1000))
    assert fitting(2000, "ridge") == pytest.approx(2 * fitting(1000, "ridge"))
    assert cost(2000).byte_count - cost(2000, "ridge").byte_count == 2000 * 96 * 2
