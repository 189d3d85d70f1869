"""Specs and the keys of the cache: what must be raised when the same key would give something else."""

import hashlib
import json
from dataclasses import asdict

import pytest

from heads.registry import kinds, options, space, space_class
from pipelines.specs import HEAD_VERSION, ExtractSpec, HeadSpec
from pipelines.studies.estimate import JOB_SECONDS, Estimator
from pipelines.studies.jobs import Job


def test_other_defaults_of_a_head_are_another_version():
    """A head's key holds the options that were given, not the defaults: those are pinned with its version."""
    spaces = {kind: asdict(space(kind)) for kind in kinds()}
    defaults = {kind: _rounded({name: found[name] for name in options(kind)}) for kind, found in spaces.items()}
    digest = hashlib.sha256(json.dumps(defaults, sort_keys=True).encode()).hexdigest()[:12]
    assert (HEAD_VERSION, digest) == (11, "1c487b6e1e22"), "raise HEAD_VERSION and SHOTS_VERSION, and write both here"


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


def _rounded(values: dict) -> dict[str, str]:
    """The values as text, floats to 6 digits: powers of ten differ in the last one from machine to machine."""
    parts = {name: value if isinstance(value, list | tuple) else [value] for name, value in values.items()}
    return {
        name: ",".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in part)
        for name, part in parts.items()
    }
