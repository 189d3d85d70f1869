"""The examples of `docs/extending.md`, taken from the page and used as it says."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

import heads
from finetune.architectures import families, networks
from finetune.architectures.stages import Stages
from heads import registry
from pipelines.cli import main
from pipelines.report.study.study import gather
from pipelines.workspace.context import Context

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function that gives the module whose code on the page begins with `# path`."""

    def load(path: str) -> ModuleType:
        found = re.search(rf"^```python\n# {re.escape(path)}\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
        assert found is not None, path
        file = tmp_path / Path(path).name
        file.write_text(found[1])
        name = path.removesuffix(".py").replace("/", ".")
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_a_head_is_chosen_and_fitted(example, monkeypatch: pytest.MonkeyPatch) -> None:
    example("heads/nearest/median.py")
    monkeypatch.setitem(registry.REGISTRY, "median", "heads.nearest.median:MedianSpace")
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    features = (np.eye(4, 16)[labels] * 3 + rng.normal(size=(200, 16))).astype(np.float32)
    head, choice = heads.fit_head("median", features=features, labels=labels)
    assert head.score(features, labels) > 0.85
    assert choice.options["temperature"] in (0.03, 0.1, 0.3)


def test_a_family_of_networks_is_built_and_described(example, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = example("finetune/architectures/plain.py")
    monkeypatch.setattr(families, "REGISTRY", (*families.REGISTRY, ("plain", plain)))
    monkeypatch.setattr(families, "KINDS", (*families.KINDS, ((plain.Plain,), plain)))
    network = networks.build("plain6", n_classes=10, image_size=32, options={"width": 0.5})
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    found: Stages = plain.stages(network)
    assert [name for name, _ in found] == ["stage1", "stage2", "stage3"]
    assert networks.resolve("plain4").family == "plain"


def test_a_section_of_the_report_tabulates_the_runs(example, tmp_path: Path) -> None:
    hardest = example("pipelines/report/sections/hardest.py")
    backbone = ["--backbone", "test_resnet", "--weights", "untrained", "--image-size", "32"]
    data = ["--dataset", "digits", "--subset", "200", "--test-subset", "100", "--workspace", str(tmp_path / "work")]
    main(["fit-head", "--head", "centroid", "--quiet", *backbone, *data])
    study = gather(tmp_path / "work", None)
    table = hardest.section(study).blocks[0]
    assert [len(row) for row in table.rows] == [3]
    assert table.rows[0][1].text in {str(digit) for digit in range(10)}


def test_a_task_is_computed_once(example, tmp_path: Path) -> None:
    separation = example("pipelines/tasks/separation.py").separation
    workspace = tmp_path / "work"
    backbone = ["--backbone", "test_resnet", "--weights", "untrained", "--image-size", "32"]
    main(["extract", "--dataset", "digits", "--subset", "200", "--quiet", *backbone, "--workspace", str(workspace)])
    features = next((workspace / "features").glob("*.h5"))
    first, second = (separation(Context(workspace, device="cpu"), features_path=features) for _ in range(2))
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second
    assert 0 < first["between"] < first["within"] * 10
