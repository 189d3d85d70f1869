"""What the wheel claims of a Python environment."""

from pathlib import Path, PurePosixPath

from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]


def test_the_wheel_claims_four_top_level_names() -> None:
    paths = [PurePosixPath(file.distribution_path) for file in WheelBuilder(str(ROOT)).recurse_included_files()]
    assert {path.parts[0] for path in paths} == {"extract", "heads", "finetune", "pipelines"}
    assert {str(path) for path in paths} >= {f"{name}/py.typed" for name in ("extract", "heads", "finetune")}


def test_files_that_are_no_code_are_in_the_wheel() -> None:
    wheel = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    found = [path for path in ROOT.glob("pipelines/**/*") if path.suffix in (".yaml", ".html", ".css", ".js", ".j2")]
    assert found
    assert [str(path) for path in found if path.relative_to(ROOT).as_posix() not in wheel] == []
