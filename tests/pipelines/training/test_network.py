"""`pipeline finetune` as a user meets it: modes, weights from everywhere, own runs as weights and as backbones."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from finetune.architectures import networks
from pipelines.specs import NetworkSpec
from pipelines.tasks import lr_range_test
from pipelines.training.head_init import HeadInitializer
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.training.small import DATA, RECIPE, SIZE, tensors


@pytest.fixture(scope="module")
def airbench_weights(tmp_path_factory) -> Path:
    """Weights of a narrow airbench94 network as a file."""
    path = tmp_path_factory.mktemp("weights") / "airbench94.safetensors"
    built = networks.build("airbench94", n_classes=10, image_size=32, options={"width": 0.25})
    save_file({name: tensor.contiguous() for name, tensor in built.state_dict().items()}, path)
    return path


def test_frozen_reproduces_the_head_on_extracted_features(pipeline, tuning, weights_file, tmp_path):
    precision = ("--precision", "float32")
    frozen = pipeline(*tuning, "--mode", "frozen", *precision, "--json").json
    words = ("fit-head", "--backbone", "test_resnet", "--weights", weights_file, *DATA, *SIZE)
    words = (*words, "--storage", "float32", *precision, "--json")
    head = pipeline(*words).json
    assert head["cached"] is True  # it is the very head that frozen made its last layer
    assert frozen["test_accuracy"] == head["test_accuracy"]
    assert frozen["epochs_run"] == 0
    ours, labels = records.logits(tmp_path / "workspace", frozen["run"])
    theirs, same = records.logits(tmp_path / "workspace", head["run"])
    assert np.array_equal(labels, same)
    assert np.allclose(ours, theirs, atol=1e-4 * np.abs(theirs).max())
    backbone, kept = load_file(weights_file), tensors(frozen)
    assert all(torch.equal(kept[name], backbone[name]) for name in kept if not name.startswith("fc."))


@pytest.mark.parametrize("again", [False, True])
def test_a_frozen_network_costs_the_extraction_and_the_fit_of_its_head(pipeline, tuning, tmp_path, again):
    """Features and a head from the cache cost what they cost when they were computed."""
    workspace = tmp_path / "workspace"
    if again:
        pipeline(*tuning, *RECIPE, "--mode", "head-first")
    frozen = pipeline(*tuning, "--mode", "frozen", "--json").json
    record = records.read(workspace, frozen["run"])
    (head,) = [one for one in records.read_all(workspace)[0] if one.kind == "head"]
    for phase in ("extraction", "search", "fit"):
        assert record.seconds[phase] == head.seconds[phase] > 0
    for name, value in {"training_rows": 200, "validation_rows": 20, "refitted": True, "criterion": "log_loss"}.items():
        assert getattr(record.choice, name) == getattr(head.choice, name) == value
    assert record.choice.drawn == head.choice.drawn == []
    assert record.cost_seconds == pytest.approx(sum(head.seconds[phase] for phase in ("extraction", "search", "fit")))
    assert record.seconds["total"] == pytest.approx(record.cost_seconds + record.seconds["evaluation"])


def test_a_head_that_is_fitted_twice_costs_its_features_once(pipeline, tuning, tmp_path):
    words = (*tuning, *RECIPE, "--mode", "head-first", "--validation", "0.25", "--refit", "--json")
    workspace = tmp_path / "workspace"
    seconds = records.read(workspace, pipeline(*words).json["run"]).seconds
    (file,) = (workspace / "extractions").glob("*.json")
    training_share = 200 / 300  # of the images that were extracted
    assert seconds["extraction"] == pytest.approx(training_share * json.loads(file.read_text())["seconds"])
    assert seconds["total"] == pytest.approx(sum(value for phase, value in seconds.items() if phase != "total"))


def test_where_nothing_is_trained_the_precision_is_float32_unless_it_is_told_otherwise(pipeline, tuning, tmp_path):
    for given, expected in (((), "float32"), (("--precision", "bfloat16"), "bfloat16")):
        run = pipeline(*tuning, "--mode", "frozen", *given, "--json").json["run"]
        assert records.read(tmp_path / "workspace", run).key["recipe_options"]["precision"] == expected


def test_partial_leaves_the_other_stages_and_their_statistics_to_the_bit(pipeline, tuning, weights_file):
    answer = pipeline(*tuning, *RECIPE, "--mode", "partial:1", "--batchnorm", "train", "--json").json
    before, after = load_file(weights_file), tensors(answer)
    changed = {name.split(".")[0] for name in after if name not in before or not torch.equal(after[name], before[name])}
    assert changed == {"layer4", "fc"}


def test_full_starts_from_the_weights_with_a_new_last_layer(pipeline, tuning, weights_file):
    answer = pipeline(*tuning, *RECIPE, "--learning-rate", "1e-12", "--json").json
    before, after = load_file(weights_file), tensors(answer)
    assert torch.allclose(after["conv1.0.weight"], before["conv1.0.weight"], atol=1e-6)
    assert after["fc.weight"].shape == (10, before["fc.weight"].shape[1])


MISTAKES = [
    (("--mode", "partial:6"), "partial must be at most the 5 stages"),
    (("--mode", "partial:K"), "mode partial:K must have a number for K"),
    (("--mode", "frozn"), "Nearest: frozen"),
    (("--mode", "frozen", "--epochs", 3), "epochs must be left out in mode frozen"),
    (("--mode", "frozen", "--recipe", "short"), "recipe must be left out in mode frozen"),
    (("--mode", "frozen", "--recipe", "finetune"), "recipe must be left out in mode frozen"),
    (("--mode", "frozen", "--tensorboard", "board"), "tensorboard must be left out in mode frozen"),
    (("--weights", "none"), "weights must be pretrained, packaged, a file or a run"),
    (("--weights", "nowhere.safetensors"), "a file or a run"),
    (("--mode", "frozen", "--find-learning-rate"), "mode must be one that trains"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[" ".join(map(str, words)) for words, _ in MISTAKES])
def test_a_mistake_ends_with_status_2_and_one_sentence(pipeline, tuning, words, sentence):
    ended = pipeline(*tuning, *words)
    assert ended.status == 2, ended.err
    assert sentence in ended.err


@pytest.mark.parametrize("mode", ["head-first", "frozen"])
def test_a_network_that_takes_no_head_is_refused_before_any_features(pipeline, airbench_weights, monkeypatch, mode):
    monkeypatch.setattr(HeadInitializer, "head", lambda *_, **__: pytest.fail("features were computed"))
    words = ("finetune", "--network", "airbench94", "--width", 0.25, "--weights", airbench_weights, *DATA, *SIZE)
    ended = pipeline(*words, "--mode", mode)
    assert ended.status == 2, ended.err
    assert "mode of airbench94 must be full or partial:K, because its last layer is not one with weights" in ended.err
    assert f"got '{mode}'" in ended.err


def test_the_range_test_does_not_whiten_over_loaded_weights(airbench_weights, tmp_path, monkeypatch):
    monkeypatch.setattr("finetune.analysis.lr_range_test.DIVERGED", 0.0)  # the first steps are enough
    given = {"network": "airbench94", "width": 0.25, "dataset": "digits", "subset": 100, "test_subset": 50}
    given |= {"image_size": 32, "batch_size": 25, "compile": "off"}
    whitened = []
    monkeypatch.setattr(networks, "whiten", lambda *_: whitened.append(True))
    lr_range_test.find(NetworkSpec.of(**given, mode="full", weights=str(airbench_weights)), Context(tmp_path))
    assert whitened == []
    lr_range_test.find(NetworkSpec.of(**given), Context(tmp_path))
    assert whitened == [True]


STEMMED = ("--network", "resnet18", "--dataset", "digits", "--subset", 32, "--test-subset", 20, *SIZE)
QUICK = ("--epochs", 1, "--batch-size", 16, "--precision", "float32", "--learning-rate", "1e-12")


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "r.pth"
    torch.manual_seed(0)
    torch.save(timm.create_model("resnet18").state_dict(), path)
    return path


@pytest.mark.parametrize("mode", ["full", "partial:1", "frozen"])
def test_small_images_leave_the_first_layer_of_the_weights_in_its_place(pipeline, resnet18_file, mode):
    recipe = ("--precision", "float32") if mode == "frozen" else QUICK
    ended = pipeline("finetune", *STEMMED, *recipe, "--weights", resnet18_file, "--mode", mode, "--json")
    kept, given = tensors(ended.json), torch.load(resnet18_file, weights_only=True)
    assert torch.allclose(kept["conv1.weight"], given["conv1.weight"], atol=1e-6)
    assert "keeps the stem of its weights" in ended.err


def test_another_stem_that_was_asked_for_is_said_and_learns(pipeline, resnet18_file):
    words = (
        "finetune",
        *STEMMED,
        *QUICK[:-1],
        "0.1",
        "--weights",
        resnet18_file,
        "--stem",
        "cifar",
        "--image-size",
        16,
    )
    ended = pipeline(*words, "--mode", "partial:0", "--json")
    kept, given = tensors(ended.json), torch.load(resnet18_file, weights_only=True)
    fresh = networks.build("resnet18", n_classes=10, image_size=16, options={"stem": "cifar"}, seed=0).state_dict()
    assert "conv1.weight of resnet18 is not in the weights" in ended.err
    assert not torch.equal(kept["conv1.weight"], fresh["conv1.weight"])
    assert not torch.equal(kept["bn1.running_var"], given["bn1.running_var"])
    assert torch.equal(kept["layer1.0.bn1.running_var"], given["layer1.0.bn1.running_var"])


def test_a_preact_network_of_pytorch_cifar_is_built_without_a_norm_at_its_end_and_kept_so(pipeline, tmp_path):
    made = networks.build("preact18", n_classes=10, image_size=32, options={"final_norm": False, "width": 0.25}, seed=1)
    names = {"stem.conv.": "conv1.", ".downsample.conv.": ".shortcut.0.", "head.fc.": "linear.", ".norm": ".bn"}
    names |= {f"stages.{stage}.blocks.": f"layer{stage + 1}." for stage in range(4)}
    state = {}
    for name, tensor in made.state_dict().items():
        for old, new in names.items():
            name = name.replace(old, new)
        state[name] = tensor[..., 0, 0] if name == "linear.weight" else tensor
    torch.save({"net": state}, tmp_path / "ckpt.pth")
    words = (
        "finetune",
        "--network",
        "preact18",
        "--width",
        0.25,
        *STEMMED[2:],
        "--precision",
        "float32",
        "--mode",
        "frozen",
    )
    ended = pipeline(*words, "--mode", "frozen", "--weights", tmp_path / "ckpt.pth", "--json")
    assert "names are those of pytorch-cifar" in ended.err
    kept = tensors(ended.json)
    assert "norm.weight" not in kept
    assert torch.equal(kept["stages.3.blocks.1.conv2.weight"], state["layer4.1.conv2.weight"])
    photo = tmp_path / "p.png"
    Image.new("RGB", (32, 32), (90, 20, 200)).save(photo)
    assert pipeline("predict", "--run", ended.json["run"], photo, "--json").status == 0


def test_options_of_the_preprocessing_stand_in_key_and_record(pipeline, tuning, tmp_path):
    given = ("--mean", "0.1,0.2,0.3", "--std", "0.5", "--crop-pct", "1", "--interpolation", "bicubic")
    ended = pipeline(*tuning, *RECIPE, *given, "--json")
    assert "as its weights want them" in ended.err
    record = records.read(tmp_path / "workspace", ended.json["run"])
    assert record.preprocessing["mean"] == [0.1, 0.2, 0.3]
    assert record.key["preprocessing"]["std"] == [0.5, 0.5, 0.5]
    plain = pipeline(*tuning, *RECIPE, "--json")
    assert "is assumed" in plain.err
    assert plain.json["run"] != ended.json["run"]
