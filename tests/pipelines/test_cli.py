"""The commands as a user meets them."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines.workspace import records

TINY = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", "32")
QUICK_C = ("--c-grid", "1e-4,1e-2,1")


def test_help_is_quick_and_imports_nothing_heavy():
    code = "import sys; from pipelines.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted(set(sys.modules) & {'torch','timm','h5py','joblib','sklearn','rich'}), file=sys.stderr)"
    start = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    assert "fit-head" in ended.stdout
    assert ended.stderr.strip() == "[]"
    assert seconds < 2  # 0.2 s alone on the machine; this machine may be busy


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


def test_a_cached_answer_imports_neither_torch_nor_timm(pipeline, tmp_path):
    assert pipeline("extract", *TINY).status == 0
    words = ["extract", *TINY, "--json", "--workspace", str(tmp_path / "workspace")]
    code = f"import sys; from pipelines.cli import main; main({words!r})"
    code += "\nprint(sorted(set(sys.modules) & {'torch', 'timm', 'sklearn'}), file=sys.stderr)"
    start = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"cached": true' in ended.stdout
    assert ended.stderr.strip() == "[]"
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("harm", ["remove", "truncate", "flip"])
def test_a_feature_file_that_is_gone_or_damaged_is_made_again(pipeline, harm):
    first = pipeline("extract", *TINY, "--subset", 50, "--test-subset", 20, "--json").json
    path = Path(first["path"])
    whole = path.read_bytes()
    if harm == "remove":
        path.unlink()
    elif harm == "truncate":
        path.write_bytes(whole[:-100])
    else:
        path.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 8]) + whole[-999:])
    again = pipeline("extract", *TINY, "--subset", 50, "--test-subset", 20, "--json").json
    assert again["cached"] is False
    assert path.read_bytes() == whole


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


@pytest.mark.long
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_flip_views_beside_a_plain_file_compute_the_mirrored_view_only_and_give_the_same_bits(
    pipeline, monkeypatch, engine
):
    from extract.features import embed
    from extract.features.store import FeatureFile
    from pipelines.tasks.provenance import origin
    from pipelines.workspace.context import Context

    monkeypatch.setattr(embed, "choose_engine", lambda **_: (engine, "the test says so"))
    counted = []
    build = embed.build
    monkeypatch.setattr(embed, "build", lambda one, **how: counted.append(how["views"]) or build(one, **how))
    quick = ("--backbone", "test_byobnet")  # to compile, four times
    words = ("extract", *TINY, *quick, "--subset", 40, "--test-subset", 20, "--json")
    alone = Path(pipeline(*words, "--views", "flip").json["path"])
    whole = alone.read_bytes()
    alone.unlink()
    plain = pipeline(*words).json
    ended = pipeline(*words, "--views", "flip")
    assert "the plain view is there already" in ended.err
    assert counted == [("plain", "mirrored"), ("plain",), ("mirrored",)]
    assert Path(ended.json["path"]).read_bytes() == whole
    took = {
        views: origin(Context(alone.parent.parent), FeatureFile(path)).seconds
        for views, path in (("plain", Path(plain["path"])), ("flip", alone))
    }
    assert took["flip"] == pytest.approx(took["plain"] + ended.json["seconds"], abs=1e-6)


def test_a_damaged_plain_file_lends_nothing(pipeline):
    words = ("extract", *TINY, "--subset", 40, "--test-subset", 20, "--json")
    plain = Path(pipeline(*words).json["path"])
    content = bytearray(plain.read_bytes())
    content[-500] ^= 1
    plain.write_bytes(content)
    ended = pipeline(*words, "--views", "flip")
    assert ended.status == 0
    assert "the plain view is there already" not in ended.err


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


def test_fit_head_extracts_fits_scores_and_remembers(pipeline):
    first = pipeline("fit-head", *TINY, *QUICK_C, "--json")
    assert first.status == 0, first.err
    answer = first.json
    assert answer["head"] == "logistic"
    assert answer["chosen"]["C"] in (1e-4, 1e-2, 1)
    low, high = answer["test_interval"]
    assert low <= answer["test_accuracy"] <= high
    assert answer["test_accuracy"] > 0.5
    assert answer["cached"] is False
    again = pipeline("fit-head", *QUICK_C, "--json")
    assert "newest features" in again.err
    assert again.json["cached"] is True
    assert again.json["test_accuracy"] == answer["test_accuracy"]


def test_the_kept_head_gives_the_kept_logits(pipeline):
    from safetensors.numpy import load_file

    import heads
    from extract.features.store import FeatureFile

    answer = pipeline("fit-head", *TINY, *QUICK_C, "--json").json
    head, recipe = heads.load(answer["path"])
    test = FeatureFile(Path(answer["features"])).read("test")
    kept = load_file(Path(answer["path"]) / "test.safetensors")
    assert np.array_equal(head.logits(test.features[0]), kept["logits"])
    assert np.array_equal(kept["labels"], test.labels)
    assert recipe["features"]["backbone"] == "test_resnet"
    assert (kept["logits"].argmax(1) == test.labels).mean() == answer["test_accuracy"]


def test_fit_head_without_validation_says_so(pipeline):
    answer = pipeline("fit-head", *TINY, "--c-grid", "0.01", "--validation", "none", "--json")
    assert answer.json["validation_accuracy"] is None
    refused = pipeline("fit-head", *TINY, "--c-grid", "0.01,1", "--validation", "none", "--json")
    assert refused.status == 2


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


def test_an_extraction_that_was_ended_before_its_first_block_does_not_speak_of_what_was_there(pipeline, monkeypatch):
    words = ("extract", "--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits")
    words = (*words, "--image-size", 32, "--subset", 20, "--test-subset", 10)
    with monkeypatch.context() as patch:
        patch.setattr("extract.features.extraction._warmed", lambda *_, **__: 1 / 0)
        assert pipeline(*words).status == 1
    ended = pipeline(*words)
    assert ended.status == 0
    assert "there already" not in ended.err


def test_runs_without_a_failure_are_no_mistake(pipeline, tmp_path):
    place = tmp_path / "workspace"
    records.failed(place, run="f" * 12, kind="network", name="resnet20", key={}, error="no memory")
    assert pipeline("runs", "--workspace", place, "--status", "done").out == "no runs\n"
    assert pipeline("runs", "--workspace", place, "--status", "don").status == 2


def test_doctor_and_backbones(pipeline):
    facts = pipeline("doctor", "--json").json
    assert facts["core_count"] >= 1
    assert facts["versions"]["torch"]
    shown = pipeline("doctor").out
    assert not any(sign in shown for sign in ("[", "True", "False", "None"))
    assert f"packaged_weights    {', '.join(facts['packaged_weights'])}" in shown
    listed = pipeline("backbones", "tf_efficientnet_lite", "--json").json
    assert "tf_efficientnet_lite0" in listed["backbones"]
    assert pipeline("backbones", "lite", "--packaged", "--json").json["count"] == 3
