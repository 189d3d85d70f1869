"""`pipeline features`: info, verify, compare."""

from pathlib import Path

TINY = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32")


def test_features_info_verify_and_compare(pipeline):
    words = ("extract", *TINY, "--subset", 40, "--test-subset", 20, "--json")
    one = pipeline(*words).json["path"]
    other = pipeline(*words, "--precision", "float32").json["path"]
    info = pipeline("features", "info", one, "--json").json
    assert info["rows"] == {"test": 20, "train": 40}
    assert info["spec"]["backbone"] == "test_resnet"
    assert pipeline("features", "verify", one, other).status == 0
    compared = pipeline("features", "compare", one, other, "--json").json
    assert compared["splits"]["train"]["common_rows"] == 40
    assert compared["splits"]["train"]["cosine_minimum"] > 0.99
    same = pipeline("features", "compare", one, one, "--json").json
    assert same["differences"] == {}
    assert same["splits"]["test"]["identical"] is True
    Path(one).write_bytes(Path(one).read_bytes()[:-9])
    assert pipeline("features", "verify", one).status == 2
