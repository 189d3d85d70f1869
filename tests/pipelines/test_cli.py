"""The commands as a user meets them."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

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
    from extract.runtime import resolve_precision

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
    from extract.store import FeatureFile

    made = pipeline("extract", *TINY, "--subset", 40, "--test-subset", 20, "--views", "flip", "--json").json
    features = FeatureFile(Path(made["path"])).read("train").features
    assert features.shape == (2, 40, 96)
    assert not np.array_equal(features[0], features[1])


@pytest.mark.long
@pytest.mark.parametrize("engine", ["eager", "compiled"])
def test_flip_views_beside_a_plain_file_compute_the_mirrored_view_only_and_give_the_same_bits(
    pipeline, monkeypatch, engine
):
    from extract import encoder
    from extract.store import FeatureFile
    from pipelines.frozen.origins import origin

    monkeypatch.setattr(encoder, "choose_engine", lambda **_: (engine, "the test says so"))
    counted = []
    build = encoder.build
    monkeypatch.setattr(encoder, "build", lambda one, **how: counted.append(how["views"]) or build(one, **how))
    words = ("extract", *TINY, "--subset", 40, "--test-subset", 20, "--json")
    alone = Path(pipeline(*words, "--views", "flip").json["path"])
    whole = alone.read_bytes()
    alone.unlink()
    plain = pipeline(*words).json
    ended = pipeline(*words, "--views", "flip")
    assert "the plain view is there already" in ended.err
    assert counted == [("plain", "mirrored"), ("plain",), ("mirrored",)]
    assert Path(ended.json["path"]).read_bytes() == whole
    took = {
        views: origin(alone.parent.parent, FeatureFile(path)).seconds
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
    from extract.store import FeatureFile

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


def test_doctor_and_backbones(pipeline):
    facts = pipeline("doctor", "--json").json
    assert facts["core_count"] >= 1
    assert facts["versions"]["torch"]
    listed = pipeline("backbones", "tf_efficientnet_lite", "--json").json
    assert "tf_efficientnet_lite0" in listed["backbones"]
    assert pipeline("backbones", "lite", "--packaged", "--json").json["count"] == 3


MISTAKES = [
    (("extrct",), "command must be a known one; got 'extrct'. Nearest: extract"),
    (("extract", "--backbon", "x"), "--backbone"),
    (("extract", "--dataset", "digits", "--backbone", "resnt50"), "got 'resnt50'. Nearest: resnet50"),
    (("extract", "--dataset", "digits", "--backbone", "resnet50.a1_in2k"), "Nearest: a1_in1k"),
    (("extract", "--dataset", "digts"), "got 'digts'. Nearest: digits"),
    (("extract", *TINY, "--precision", "bf16"), "Nearest: bfloat16"),
    (("extract", *TINY, "--views", "flipped"), "Nearest: flip"),
    (("extract", *TINY, "--image-size", "0"), "image size must be at least 1"),
    (("extract", *TINY, "--image-size", "many"), "many"),
    (("extract", *TINY, "--batch-size", "lots"), "batch size must be auto or a whole number"),
    (("extract", *TINY, "--layers", "last"), "layers must be stage numbers"),
    (("extract", *TINY, "--layers", "9"), "image size and layers must be"),
    (("extract", *TINY, "--subset", "5000"), "--subset must be from 1 to the 1437 train images"),
    (("extract", *TINY, "--device", "gpu"), "device must be auto, cpu, cuda or cuda:N"),
    (("extract", *TINY, "--seed", "-1"), "seed must be from 0"),
    (("extract", "--data-dir", "/nowhere/at/all"), "data directory must exist"),
    (
        ("extract", "--dataset", "digits", "--backbone", "test_vit", "--weights", "untrained", "--image-size", "33"),
        "image size",
    ),
    (("extract", "--dataset", "digits", "--backbone", "test_resnet", "--weights", "packaged"), "packaged weights"),
    (("extract", "--dataset", "digits", "--backbone", "test_resnet", "--weights", "nowhere.pth"), "weights must be"),
    (("fit-head", *TINY, "--head", "logistc"), "Nearest: logistic"),
    (("fit-head", *TINY, "--c-grid", "0"), "C must be"),
    (("fit-head", *TINY, "--c-grid", "a"), "c-grid must be numbers"),
    (("fit-head", *TINY, "--validation", "1.5"), "validation must be"),
    (("fit-head", "--features", "nowhere.h5"), "feature file must exist"),
    (("fit-head", "--features", "nowhere.h5", "--backbone", "x"), "not both"),
    (("extract", *TINY, "--workspace", "/proc/nothing"), "workspace must be a directory that can be written"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[" ".join(words)[-60:] for words, _ in MISTAKES])
def test_a_mistake_ends_with_status_2_and_one_sentence(pipeline, words, sentence):
    ended = pipeline(*words)
    assert ended.status == 2, ended.err
    assert sentence in ended.err
    lines = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in ended.err
    assert ended.out == ""


def test_weights_of_another_network_are_refused(pipeline, tmp_path):
    import timm
    from safetensors.torch import save_file

    network = timm.create_model("test_efficientnet", pretrained=False)
    save_file(network.state_dict(), tmp_path / "other.safetensors")
    words = ("extract", "--dataset", "digits", "--backbone", "test_resnet", "--weights", tmp_path / "other.safetensors")
    ended = pipeline(*words)
    assert ended.status == 2
    assert "weights must fit the backbone" in ended.err


def test_a_pickle_is_never_executed(pipeline, tmp_path):
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "touched",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps(Evil()))
    ended = pipeline("extract", *TINY[:2], "--weights", tmp_path / "evil.pth", "--dataset", "digits")
    assert ended.status == 2
    assert not (tmp_path / "touched").exists()


def test_without_the_hub_pretrained_fails_in_one_sentence_that_names_the_other_ways(pipeline, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    ended = pipeline("extract", "--dataset", "digits", "--backbone", "resnet18", "--json")
    assert ended.status == 1
    assert all(way in ended.json["error"] for way in ("packaged", "untrained", "file"))


TINY_TOUR = """
defaults: {dataset: digits, subset: 200, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, weights: untrained, image-size: 32, head: [knn, centroid]}
  - {command: train, network: resnet20, width: 0.25, epochs: 1, batch-size: 50}
search:
  {backbone: test_resnet, weights: untrained, dataset: digits, subset: 200, test_subset: 50, image-size: 32,
   head: logistic, trials: 2, space: {C: [0.001, 0.1]}}
"""


def test_the_demo_studies_searches_reports_and_prints_one_table(pipeline, monkeypatch, tmp_path):
    (tmp_path / "tiny.yaml").write_text(TINY_TOUR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pipelines.cli.demo.WITHOUT", "tiny.yaml")
    for name in ("PIPELINE_DATA", "CIFAR10_DIR"):
        monkeypatch.delenv(name, raising=False)
    ended = pipeline("demo", "--json")
    assert ended.status == 0, ended.err
    shown = ended.json
    assert {one["mode"] for one in shown["results"]} == {"frozen", "scratch"}
    assert len(shown["results"]) == 3
    assert [one["test_accuracy"] for one in shown["results"]] == sorted(
        (one["test_accuracy"] for one in shown["results"]), reverse=True
    )
    assert shown["search"]["best"]["params"]["C"] in (0.001, 0.1)
    assert Path(shown["report"]).is_file()


def test_the_demo_refuses_a_directory_without_cifar(pipeline, tmp_path):
    ended = pipeline("demo", "--data-dir", tmp_path)
    assert ended.status == 2
    assert "must hold CIFAR-10" in ended.err


@pytest.mark.parametrize("name", ["digits-tour", "cifar10-tour"])
def test_the_tours_of_the_demo_are_whole_studies(name):
    from pipelines import search
    from pipelines.studies import reading

    path = reading.find(name)
    assert {job.command for job in reading.read(path).jobs} == {"fit-head", "finetune", "train"}
    assert search.read(path).entries
