"""Mistakes of extract and fit-head: exit status 2, one sentence, nothing executed."""

from pathlib import Path

import pytest

from tests.pipelines.fitting import TINY

MISTAKES = [
    (("extrct",), "unknown command 'extrct'. Nearest: extract"),
    (("cache", "trm"), "unknown command 'trm'. Nearest: trim."),
    (("features", "inf", "x.h5"), "unknown command 'inf'. Nearest: info."),
    (("cache", "trim"), "error: --to must be given; got none. `pipeline cache trim --help` shows what it takes."),
    (("predict", "--run", "0"), "error: IMAGES... must be given; got none."),
    (("networks", "--seed", "1"), "unknown option '--seed'. Known: --debug, --help, --json, --quiet."),
    (("runs", "--device", "cpu"), "unknown option '--device'."),
    (("backbones", "--max-parameters", "-3"), "max-parameters must be a number above 0; got -3. Give one like 5e6."),
    (("features", "info", __file__), "which is none, or whose first bytes were altered. `pipeline extract` makes one."),
    (("finetune", "--mode", "partial:x"), "mode partial:K must have a number for K; got 'partial:x'. Write partial:1."),
    (
        ("finetune", "--mode", "foo"),
        "Known: frozen, full, head-first, partial:K. `pipeline train` starts",
    ),
    (("finetune", "--mode", "scratch"), "mode of finetune must not be 'scratch'. Use train for scratch"),
    (("train", "resnet20", "--refit"), "error: refit must have validation images to go by; got none."),
    (("runs", "--join-seeds", "--sort", "test"), "sort and reverse must be left out with --join-seeds"),
    (
        ("fit-head", *TINY, "--head", "mlp", "--option", "c_grid=1"),
        "unknown option 'c-grid' of the mlp head. Known: batch-size,",
    ),
    (("extract", "resnet50"), "unexpected extra argument (resnet50). `pipeline extract --help` shows what it takes."),
    (("--quiet", "extract"), "unknown option '--quiet'. Known: --help, --version. Options stand behind their command."),
    (("extract", "--backbon", "x"), "--backbone"),
    (("extract", "--dataset", "digits", "--backbone", "resnt50"), "unknown backbone 'resnt50'. Nearest: resnet50"),
    (("extract", "--dataset", "digits", "--backbone", "resnet50.a1_in2k"), "Nearest: a1_in1k"),
    (
        ("extract", "--dataset", "digts"),
        "(no such folder; built in: cifar10, cifar100, digits, minicifar, cifar10-15k, mnist, fashion-mnist, svhn, "
        "stl10, flowers102, oxford-iiit-pet). Nearest: digits",
    ),
    (("extract", *TINY, "--precision", "bf16"), "Nearest: bfloat16"),
    (("extract", *TINY, "--views", "flipped"), "Nearest: flip"),
    (("extract", *TINY, "--image-size", "0"), "image-size must be a whole number from 1"),
    (("extract", *TINY, "--image-size", "many"), "many"),
    (("extract", *TINY, "--batch-size", "lots"), "batch size must be auto or a whole number"),
    (("extract", *TINY, "--layers", "last"), "layers must be stage numbers"),
    (("extract", *TINY, "--layers", "9"), "layers must be stages that test_resnet has; got 9 (feature index 9"),
    (("extract", *TINY, "--subset", "5000"), "--subset must be from 1 to the 1437 train images"),
    (("extract", *TINY, "--device", "gpu"), "device must be auto, cpu, cuda or cuda:N"),
    (("extract", *TINY, "--seed", "-1"), "seed must be a whole number from 0"),
    (("extract", "--data-dir", "/nowhere/at/all"), "data directory must exist"),
    (
        ("extract", "--dataset", "digits", "--backbone", "test_vit", "--weights", "untrained", "--image-size", "33"),
        "image size",
    ),
    (("extract", "--dataset", "digits", "--backbone", "test_resnet", "--weights", "packaged"), "packaged weights"),
    (
        ("extract", "--dataset", "digits", "--backbone", "test_resnet", "--weights", "nowhere.pth"),
        "a file or a run; got",
    ),
    (("fit-head", *TINY, "--head", "logistc"), "Nearest: logistic"),
    (("fit-head", *TINY, "--c-grid", "0"), "c-grid must be"),
    (("fit-head", *TINY, "--c-grid", "a"), "c-grid must be a number above 0, or several"),
    (("fit-head", *TINY, "--validation", "1.5"), "validation must be"),
    (("fit-head", "--features", "nowhere.h5"), "feature file must exist"),
    (("features", "verify", "."), "feature file must be a file, not a folder; got '.'"),
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
    assert "weights must fit the network" in ended.err


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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("train", "--lr", "1"), "unknown option '--lr'. Nearest: --learning-rate."),
        (("fit-head", "--lr", "1"), "unknown option '--lr'. Nearest: --learning-rates."),
        (("train", "--optimiser", "sgd"), "Nearest: --optimizer"),
        (("train", "--color", "0.1"), "Nearest: --color-jitter."),
        (("fit-head", "--neighbours", "5"), "Nearest: --neighbors"),
        (("train", "--model", "resnet20"), "Nearest: --network."),
        (("train", "--backbone", "resnet20"), "Nearest: --network."),
        (("extract", "--network", "resnet20"), "Nearest: --backbone."),
        (("extract", "--model", "resnet20"), "Nearest: --backbone."),
        (("runs", "--arch", "resnet20"), "Nearest: --architecture."),
        (("train", "resnet20", "--network", "vgg11"), "network must be named once; got 'resnet20' and --network vgg11"),
        (("describe",), "network must be named"),
        (("train", "resnt20", *TINY[4:6]), "unknown network 'resnt20'. Nearest: resnet20"),
    ],
)
def test_what_other_tools_call_it_leads_to_what_it_is_called_here(pipeline, words, sentence):
    ended = pipeline(*words)
    assert ended.status == 2
    assert sentence in ended.err


def test_a_network_may_be_named_without_its_option(pipeline):
    assert (
        pipeline("describe", "resnet20", "--json").json == pipeline("describe", "--network", "resnet20", "--json").json
    )


def test_a_study_that_misspells_an_option_is_led_to_it(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text("jobs:\n  - {command: train, dataset: DIGITS, lr: 0.1}\n")
    ended = pipeline("run", tmp_path / "study.yaml", "--dry-run")
    assert ended.status == 2
    assert "Nearest: learning-rate." in ended.err


@pytest.mark.parametrize("words", [("doctor", "--workspace", "W"), ("describe", "resnet20")])
def test_a_current_folder_that_was_removed_is_said(pipeline, tmp_path, monkeypatch, words):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    ended = pipeline(*words)
    assert (ended.status, ended.err) == (
        2,
        "error: current folder must be there; got one that was removed. Change to another: cd DIR.\n",
    )
