"""Tests mirror the tree: the tests of a module are found from its path."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("extract", "heads", "finetune", "pipelines")
SUBSTANTIAL = 80  # lines; a shorter module may be tested with its neighbors
# What is tested through another module.
THROUGH = {
    "pipelines/cli/commands/audit.py": "tests/pipelines/tasks/inspection/test_audit.py",
    "pipelines/report/sections/audit.py": "tests/pipelines/tasks/inspection/test_audit.py",
    "pipelines/cli/commands/report.py": "tests/pipelines/report/test_build.py",
    "finetune/timm_folder.py": "tests/pipelines/predict/test_export.py",
    "pipelines/predict/onnx_file.py": "tests/pipelines/predict/test_export.py",
    "pipelines/predict/of_network.py": "tests/pipelines/predict/test_classify.py",
    "pipelines/report/sections/explained.py": "tests/pipelines/tasks/test_explain.py",
    "pipelines/report/predictions.py": "tests/pipelines/predict/test_trust.py",
    "pipelines/search/subject.py": "tests/pipelines/search/test_head.py",
    "pipelines/specs/weights.py": "tests/pipelines/training/test_network_io.py",
    "pipelines/tasks/few_shot.py": "tests/pipelines/tasks/test_fit_head.py",
    "pipelines/tasks/extract.py": "tests/pipelines/tasks/test_features.py",
    "pipelines/workspace/parts/inspections.py": "tests/pipelines/tasks/inspection/test_audit.py",
    "pipelines/workspace/parts/scores.py": "tests/pipelines/workspace/test_schema.py",
    "pipelines/tasks/train.py": "tests/pipelines/training/test_train_network.py",
}


def test_every_module_of_substance_has_a_test_file_at_the_mirrored_path():
    modules = [path.relative_to(ROOT) for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    large = [path for path in modules if len((ROOT / path).read_text(encoding="utf-8").splitlines()) > SUBSTANTIAL]
    mirrored = {path.as_posix(): f"tests/{path.with_name('test_' + path.name).as_posix()}" for path in large}
    assert [path for path, test in mirrored.items() if not (ROOT / THROUGH.get(path, test)).exists()] == []
    assert [path for path in THROUGH if not (ROOT / path).exists()] == []
