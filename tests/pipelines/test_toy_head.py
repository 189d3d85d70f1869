"""A head from outside: one file (the example of `docs/extending.md`) and one row are all that the commands need."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.pipelines.fitting import UNTRAINED

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
PIPELINE = """
import contextlib, importlib.util, io, json, sys

spec = importlib.util.spec_from_file_location("heads.nearest.median", sys.argv[1])
sys.modules["heads.nearest.median"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

from heads.registry import REGISTRY

REGISTRY["median"] = "heads.nearest.median:MedianSpace"

from pipelines.cli import main

run = ""
for words in json.loads(sys.argv[2]):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            main([word.replace("{run}", run) for word in words])
        except SystemExit as ended:
            if ended.code:
                raise
    print(out.getvalue(), end="")
    run = run or json.loads(out.getvalue())["run"]
"""
WORDS = (*UNTRAINED, "--dataset", "digits", "--image-size", 32)
STUDY = """
defaults: {dataset: digits, weights: untrained, backbone: test_resnet, image_size: 32, subset: 300}
jobs:
  - {command: fit-head, head: median, temperatures: "0.05,0.2", seed: [0, 1]}
"""


@pytest.fixture
def commands(in_process: Callable[..., str], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Runs commands of a pipeline that has the row of the toy head; their JSON answers. {run} is the first one's."""
    found = re.search(r"^```python\n# heads/nearest/median.py\n(.*?)^```", PAGE.read_text(), flags=re.M | re.S)
    assert found is not None
    (tmp_path / "median.py").write_text(found[1])
    (tmp_path / "toy.py").write_text(PIPELINE)

    def run(*lines: tuple[object, ...]) -> list[dict[str, Any]]:
        words = [[*map(str, line), "--json", "--workspace", str(tmp_path / "workspace")] for line in lines]
        out = in_process(tmp_path / "toy.py", tmp_path / "median.py", json.dumps(words))
        return [json.loads(line) for line in out.splitlines()]

    return run


@pytest.mark.long
def test_one_file_and_one_row_make_a_head_for_every_command(commands, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "study.yaml").write_text(STUDY)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "image.png")
    fitted, study, search, predicted, exported = commands(
        ("fit-head", *WORDS, "--subset", 300, "--head", "median", "--temperatures", "0.05,0.2"),
        ("run", tmp_path / "study.yaml"),
        ("search", *WORDS, "--subset", 300, "--head", "median", "--trials", 3),
        ("predict", "--run", "{run}", tmp_path / "image.png"),
        ("export", "--run", "{run}", "--output", tmp_path / "model.onnx"),
    )
    assert fitted["head"] == "median"
    assert fitted["chosen"]["temperature"] in (0.05, 0.2)
    assert fitted["test_accuracy"] > 0.3
    assert (study["computed"], study["cached"], study["failed"]) == (1, 1, 0)  # seed 0 is the run above
    assert 0.01 <= search["best_spec"]["temperatures"] <= 1.0
    assert search["test_accuracy"] > 0.3
    assert predicted["images"][0]["top"]
    assert exported["largest_difference"] < 1e-4
    assert exported["difference_from_predict"] < 0.01
