"""What the tests of the pipeline share: an empty workspace, and one in which a study ran."""

import shutil
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.pipelines.workspace.aging import STUDY


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


@pytest.fixture
def studied(computed, tmp_path, workspace) -> Path:
    """A copy of that workspace, with its study beside it."""
    shutil.copytree(computed, tmp_path, dirs_exist_ok=True)
    return workspace
