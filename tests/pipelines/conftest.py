"""What the tests of the pipeline share: an empty workspace, and one in which a study ran."""

import shutil
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.pipelines.workspace.aging import STUDY

ABLATION = """
name: tiny
defaults: {dataset: digits, subset: 120, image-size: 16, batch-size: 32, compile: off}
ablation:
  base: {command: train, network: test_resnet, epochs: 1, validation: 30}
  seeds: 2
  changes:
    - learning-rate: [0.3]
    - {name: compiled, compile: auto}
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The workspace that the `pipeline` fixture uses, not made yet."""
    return tmp_path / "workspace"


@pytest.fixture(scope="module")
def computed(tmp_path_factory) -> Path:
    """A workspace with two feature files and two heads on them, computed once for all tests."""
    root = tmp_path_factory.mktemp("computed")
    (root / "study.yaml").write_text(STUDY)
    main(["run", str(root / "study.yaml"), "--workspace", str(root / "workspace"), "--device", "cpu"])
    return root


@pytest.fixture(scope="session")
def ablated(tmp_path_factory) -> Path:
    """A folder with `study.yaml`, which has an ablation of a tiny network, and the workspace in which it ran."""
    root = tmp_path_factory.mktemp("ablated")
    (root / "study.yaml").write_text(ABLATION)
    main(["ablate", str(root / "study.yaml"), "--workspace", str(root / "workspace"), "--device", "cpu"])
    return root


@pytest.fixture
def studied(computed, tmp_path, workspace) -> Path:
    """A copy of that workspace, with its study beside it."""
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    return workspace
