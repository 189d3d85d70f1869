"""What the tests of searches share: a workspace with small features, and a space to search."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines.search import HeadSubject
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.tasks.extract import extract
from pipelines.workspace.context import Context
from tests.pipelines.search.searching import Scripted
from tests.pipelines.search.small import SMALL, SPACE


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
        script, HeadSubject(HeadSpec.of(head="logistic", c_grid=[1e-3]), features=lambda: features)
    )


@pytest.fixture
def space_file(tmp_path) -> Path:
    """`SPACE` as a file."""
    path = tmp_path / "space.yaml"
    path.write_text(json.dumps(SPACE))
    return path
