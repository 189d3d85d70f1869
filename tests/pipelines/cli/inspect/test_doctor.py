"""`pipeline doctor`: what would stand in the way is said."""

import json
import sys
from pathlib import Path

import pytest

from pipelines.cli import main


def problems(capsys: pytest.CaptureFixture[str], workspace: Path) -> list[str]:
    main(["doctor", "--json", "--workspace", str(workspace)])
    return json.loads(capsys.readouterr().out)["problems"]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, last on the path."""
    place = tmp_path / "site-packages"
    place.mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    return place


def test_without_other_distributions_no_package_is_shadowed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert [one for one in problems(capsys, tmp_path / "work") if one.startswith("package")] == []


def test_another_distribution_with_a_package_of_ours_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, elsewhere: Path
) -> None:
    info = elsewhere / "talking_heads-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: talking-heads\nVersion: 1.0\n")
    (info / "RECORD").write_text("heads/__init__.py,,\n")
    (elsewhere / "heads").mkdir()
    (elsewhere / "heads" / "__init__.py").touch()  # importlib_metadata, where it is imported, names no absent files
    said = problems(capsys, tmp_path / "work")
    assert [one for one in said if "'heads'" in one and "talking-heads" in one and "environment" in one]


def test_a_folder_that_python_finds_before_ours_is_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "first" / "finetune"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.delitem(sys.modules, "finetune", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder.parent), *sys.path])
    assert [one for one in problems(capsys, tmp_path / "work") if str(folder) in one]


def test_this_machine_is_described(pipeline):
    facts = pipeline("doctor", "--json").json
    assert facts["core_count"] >= 1
    assert facts["versions"]["torch"]
    shown = pipeline("doctor").out
    assert not any(sign in shown for sign in ("[", "True", "False", "None"))
    assert f"packaged weights    {', '.join(facts['packaged_weights'])}" in shown
