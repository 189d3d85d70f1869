"""`pipeline extract`: what is made, remembered and left out."""

import json
import os
from pathlib import Path

import numpy as np

from tests.pipelines.fitting import TINY, UNTRAINED


def test_extract_says_what_it_made_and_the_second_time_comes_from_the_cache(pipeline):
    first = pipeline("extract", *TINY, "--json")
    assert first.status == 0, first.err
    assert first.json["rows"] == 1797
    assert first.json["dimension"] == 96
    assert first.json["cached"] is False
    assert first.json["images_per_second"] > 0
    assert Path(first.json["path"]).name == f"digits-test_resnet-{first.json['digest'][:12]}.h5"
    second = pipeline("extract", *TINY, "--json").json
    assert second["cached"] is True
    assert second["content"] == first.json["content"]


def test_another_version_of_timm_makes_another_file(pipeline, monkeypatch):
    first = pipeline("extract", *TINY, "--json").json
    monkeypatch.setattr("pipelines.specs.extraction.package_versions", lambda *names: dict.fromkeys(names, "0.9.0"))
    other = pipeline("extract", *TINY, "--json").json
    assert other["cached"] is False
    assert other["path"] != first["path"]


def test_idle_threads_sleep_where_files_are_decoded_unless_the_user_said_otherwise(pipeline, monkeypatch, photo_folder):
    monkeypatch.setenv("GOMP_SPINCOUNT", "")  # to be put back
    folder = ("extract", *UNTRAINED, "--image-size", "32", "--dataset", photo_folder)
    for words, policy, expected in ((("extract", *TINY), "", None), (folder, "active", None), (folder, "", "1000")):
        monkeypatch.delenv("GOMP_SPINCOUNT")
        monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
        if policy:
            monkeypatch.setenv("OMP_WAIT_POLICY", policy)
        assert pipeline(*words).status == 0
        assert os.environ.get("GOMP_SPINCOUNT") == expected
        os.environ.setdefault("GOMP_SPINCOUNT", "")


def test_options_change_what_they_name(pipeline):
    from extract.runtime.devices import resolve_precision

    other_precision = "bfloat16" if resolve_precision("auto", "cpu") == "float32" else "float32"
    base = (*TINY, "--subset", 40, "--test-subset", 20, "--json")
    plain = pipeline("extract", *base).json
    seen = {plain["content"]}
    for option, value, dimension in [
        ("--image-size", 48, 96),
        ("--pool", "max", 96),
        ("--pool", "avgmax", 192),
        ("--layers", "-2,-1", 288),
        ("--views", "flip", 96),
        ("--storage", "float32", 96),
        ("--precision", other_precision, 96),
        ("--batch-size", 16, 96),
        ("--seed", 1, 96),
    ]:
        got = pipeline("extract", *base, option, value).json
        assert got["dimension"] == dimension
        assert got["content"] not in seen, option
        seen.add(got["content"])


def test_flip_views_are_the_features_of_mirrored_images(pipeline):
    from extract.features.store import FeatureFile

    made = pipeline("extract", *TINY, "--subset", 40, "--test-subset", 20, "--views", "flip", "--json").json
    features = FeatureFile(Path(made["path"])).read("train").features
    assert features.shape == (2, 40, 96)
    assert not np.array_equal(features[0], features[1])


def test_photographs_of_any_size_and_format(pipeline, photo_folder):
    made = pipeline("extract", *TINY[:4], "--dataset", photo_folder, "--image-size", 64, "--json")
    assert made.status == 0, made.err
    assert made.json["rows"] == 16


def test_an_unreadable_image_is_named_and_skipped_only_when_asked(pipeline, photo_folder):
    (photo_folder / "flower" / "bad.jpg").write_bytes(b"no image")
    words = ("extract", *TINY[:4], "--dataset", photo_folder, "--image-size", 64, "--json")
    refused = pipeline(*words)
    assert refused.status == 2
    assert "flower/bad.jpg" in refused.json["error"]
    made = pipeline(*words, "--on-bad-image", "skip")
    assert made.json["rows"] == 16
    assert made.json["skipped"] == ["flower/bad.jpg"]
    fitted = pipeline("fit-head", *words[1:], "--on-bad-image", "skip", "--head", "centroid").json
    assert json.loads((Path(fitted["path"]) / "record.json").read_text())["choice"]["skipped"] == ["flower/bad.jpg"]


def test_an_extraction_that_was_ended_before_its_first_block_does_not_speak_of_what_was_there(pipeline, monkeypatch):
    words = ("extract", *UNTRAINED, "--dataset", "digits")
    words = (*words, "--image-size", 32, "--subset", 20, "--test-subset", 10)
    with monkeypatch.context() as patch:
        patch.setattr("extract.features.extraction._warmed", lambda *_, **__: 1 / 0)
        assert pipeline(*words).status == 1
    ended = pipeline(*words)
    assert ended.status == 0
    assert "there already" not in ended.err
