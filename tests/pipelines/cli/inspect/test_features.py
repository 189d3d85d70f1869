"""`pipeline features`: info, verify, compare."""

import re
from pathlib import Path

from tests.pipelines.fitting import TINY


def test_features_info_verify_and_compare(pipeline):
    words = ("extract", *TINY, "--subset", 40, "--test-subset", 20, "--json")
    one = pipeline(*words, "--precision", "bfloat16").json["path"]
    other = pipeline(*words, "--precision", "float32").json["path"]
    info = pipeline("features", "info", one, "--json").json
    assert info["rows"] == {"test": 20, "train": 40}
    assert info["spec"]["backbone"] == "test_resnet"
    shown = pipeline("features", "info", one).out
    assert not re.search("[][{}']|None|True|False", shown.replace(one, ""))
    assert re.search("^rows +test 20, train 40$", shown, re.MULTILINE)
    assert re.search("^backbone +test_resnet$", shown, re.MULTILINE)
    assert pipeline("features", "verify", one, other).status == 0
    compared = pipeline("features", "compare", one, other, "--json").json
    assert compared["splits"]["train"]["common_rows"] == 40
    assert compared["splits"]["train"]["cosine_minimum"] > 0.99
    assert "precision: bfloat16 and float32" in pipeline("features", "compare", one, other).out
    same = pipeline("features", "compare", one, one, "--json").json
    assert same["differences"] == {}
    assert same["splits"]["test"]["identical"] is True
    Path(one).write_bytes(Path(one).read_bytes()[:-9])
    assert pipeline("features", "verify", one).status == 2
