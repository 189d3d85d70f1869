"""What the tests of searches share: a workspace with small features."""

import shutil
from pathlib import Path

import pytest

from pipelines.search import HeadSubject
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.tasks.extract import extract
from pipelines.workspace.context import Context
from tests.pipelines.search.searching import Scripted

TINY = {"backbone": "test_resnet", "weights": "untrained", "dataset": "digits", "image_size": 32}
SMALL = {**TINY, "subset": 300, "test_subset": 100}


@pytest.fixture(scope="module")
def extracted(tmp_path_factory) -> Path:
    """A workspace that holds features only."""
    workspace = tmp_path_factory.mktemp("extracted") / "workspace"
    extract(ExtractSpec(**SMALL), Context(workspace))
    return workspace


@pytest.fixture
def workspace(extracted, tmp_path) -> Path:
    """A fresh copy of it, where the `pipeline` fixture looks."""
    return Path(shutil.copytree(extracted, tmp_path / "workspace"))


@pytest.fixture
def features(workspace) -> Path:
    return next((workspace / "features").glob("*.h5"))


@pytest.fixture
def scripted(features):
    return lambda script: Scripted(
        script, HeadSubject(HeadSpec.of(head="logistic", c_grid=[1e-3]), features_path=features)
    )
