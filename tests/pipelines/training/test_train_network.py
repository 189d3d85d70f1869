"""`pipeline train` as a user meets it: what it answers, keeps, remembers, goes on with, and refuses."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import heads
from extract.data import digits
from extract.data.images import subset
from extract.errors import InvalidInputError
from extract.runtime.typed_json import plain
from pipelines.predict import classify
from pipelines.specs import ExtractSpec, NetworkSpec, data, locate
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.training import network_io, progress
from pipelines.workspace import explorations, records
from pipelines.workspace.context import Context
from pipelines.workspace.explorations import RangeTestResult
from tests.pipelines.training.small import TINY, WORDS

TORCHRUN = Path(torch.__file__).parent / "distributed" / "run.py"
COMMAND = """
import sys
from pipelines.cli import main

try:
    main(sys.argv[1:])
except SystemExit as ended:  # torchrun waits for a function that returns
    if ended.code:
        raise
"""


def test_a_kept_network_gives_the_kept_logits_to_the_bit_from_image_files(trained, tmp_path):
    from extract.data import digits
    from extract.data.images import subset

    workspace, answer = trained
    test = subset(digits.load(), train=None, test=100, seed=0).splits["test"]
    paths = []
    for row, array in enumerate(test.images.array[:30]):
        paths.append(tmp_path / f"{row:03d}.png")
        Image.fromarray(array.transpose(1, 2, 0)).save(paths[-1])
    one, _ = classify.classifier(answer["run"], context=Context(workspace), exact=True)
    kept, _ = records.logits(workspace, answer["run"])
    assert np.array_equal(one.logits(paths), kept[:30])
    assert np.array_equal(one.logits(paths[7:8]), kept[7:8])
    quick, _ = classify.classifier(answer["run"], context=Context(workspace), exact=False)
    assert np.allclose(quick.logits(paths[7:8]), kept[7:8], atol=1e-4)


def test_what_was_trained_in_bfloat16_is_scored_in_float32(pipeline, tmp_path):
    words = (*WORDS, "--epochs", 1, "--precision", "bfloat16", "--validation", 40, "--json")
    record = records.read(tmp_path / "workspace", pipeline("train", *words).json["run"])
    network = network_io.network(tmp_path / "workspace" / "runs" / record.run)
    data = subset(digits.load(), train=200, test=100, seed=0).splits
    mean, std = (torch.tensor(record.preprocessing[name])[:, None, None] for name in ("mean", "std"))

    def plainly(images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return network((torch.from_numpy(images) / 255 - mean) / std).numpy()

    logits, _ = records.logits(tmp_path / "workspace", record.run)
    np.testing.assert_allclose(logits, plainly(data["test"].images.array), atol=1e-4)
    _, held = heads.validation_split(data["train"].labels, 40, seed=0)
    scores = heads.scores(plainly(data["train"].images.array[held]), data["train"].labels[held])
    assert record.validation.log_loss == pytest.approx(scores.log_loss, abs=1e-5)
    assert record.curves["validation_loss"] == pytest.approx([scores.log_loss], abs=1e-5)


def test_the_second_time_it_comes_from_the_cache_without_torch(trained):
    workspace, answer = trained
    words = ["train", *map(str, WORDS), "--json", "--workspace", str(workspace)]
    code = f"import sys; from pipelines.cli import main; main({words!r})"
    code += "\nprint(sorted(set(sys.modules) & {'torch', 'timm', 'sklearn', 'vl_convert'}), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = json.loads(ended.stdout)
    assert found["cached"] is True
    assert found["test_accuracy"] == answer["test_accuracy"]
    assert ended.stderr.strip() == "[]"


def test_a_damaged_network_is_trained_again_to_the_same_bits(pipeline):
    first = pipeline("train", *WORDS, "--json").json
    weights = Path(first["path"]) / "network.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    again = pipeline("train", *WORDS, "--json").json
    assert again["cached"] is False
    assert weights.read_bytes() == whole


def test_a_copied_network_is_not_looked_for_among_timm_s_before_a_download(pipeline, tmp_path, monkeypatch):
    folder = Path(pipeline("train", *WORDS, "--json").json["path"])
    (tmp_path / "copied").mkdir()
    for name in ("network.safetensors", "network.json"):
        (tmp_path / "copied" / name).write_bytes((folder / name).read_bytes())
    weights = str(tmp_path / "copied" / "network.safetensors")
    monkeypatch.setattr(data, "located", lambda *_, before_download, **__: before_download())
    locate(ExtractSpec(backbone="resnet20", weights=weights), tmp_path)
    with pytest.raises(InvalidInputError, match="unknown backbone 'resnet20'"):
        locate(ExtractSpec(backbone="resnet20", weights="untrained"), tmp_path)


def test_classes_are_weighed_and_the_epoch_is_chosen_by_another_criterion(pipeline, workspace):
    words = ("--validation", 40, "--patience", 2, "--criterion", "macro_f1", "--class-weights", "balanced")
    answer = pipeline("train", *WORDS, *words, "--json").json
    record = records.done(workspace, answer["run"])
    assert record.key["recipe_options"]["class_weights"] == "balanced"
    assert (record.choice.criterion, record.choice.kept_by) == ("macro_f1", "macro_f1")
    curve = record.curves["validation_macro_f1"]
    assert record.choice.kept_epoch == curve.index(max(curve)) + 1
    assert record.validation.macro_f1 == pytest.approx(max(curve))
    assert "class weights balanced" in record.name


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_and_asked_again_it_ends_with_the_bits_of_an_uninterrupted_run(
    trained, pipeline, monkeypatch, tmp_path, number, status
):
    _, uninterrupted = trained
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in a shell's background inherits "ignored"
    told = progress.ProgressReporter.report

    def moment(self, now):
        told(self, now)
        if now.row is not None and now.epoch == 1:
            signal.raise_signal(number)

    with monkeypatch.context() as patched:
        patched.setattr(progress.ProgressReporter, "report", moment)
        ended = pipeline("train", *WORDS)
    assert ended.status == status
    kept = list((tmp_path / "workspace" / "checkpoints").rglob("checkpoint.bin"))
    assert len(kept) == 1
    assert records.read_all(tmp_path / "workspace") == ([], [])  # no result, and no failure either
    again = pipeline("train", *WORDS, "--json")
    assert "goes on after epoch 1 of 2" in again.err
    assert again.json["cached"] is False
    for name in ("network.safetensors", "test.safetensors"):
        assert (Path(again.json["path"]) / name).read_bytes() == (Path(uninterrupted["path"]) / name).read_bytes()


def test_a_run_that_diverges_leaves_a_failed_record_and_is_never_cached(pipeline, tmp_path):
    for _ in range(2):
        ended = pipeline("train", *WORDS, "--learning-rate", "1e30", "--json")
        assert ended.status == 1
        assert "lower the learning rate" in ended.json["error"]
        (record,), problems = records.read_all(tmp_path / "workspace")
        assert (record.status, problems) == ("failed", [])
        assert record.error == ended.json["error"]


def test_with_a_validation_split_both_scores_are_told_and_patience_keeps_the_best_epoch(pipeline, tmp_path):
    words = (*WORDS, "--validation", "0.2", "--epochs", 4, "--patience", 1, "--learning-rate", 0.2, "--json")
    answer = pipeline("train", *words).json
    record = records.read(tmp_path / "workspace", answer["run"])
    scored = record.curves["validation_accuracy"]
    assert answer["validation_rows"] == 40
    assert answer["training_rows"] == 160
    assert answer["validation_accuracy"] == pytest.approx(max(scored))
    assert scored[answer["best_epoch"] - 1] == max(scored)
    assert answer["epochs_run"] == len(scored) <= 4
    logits, labels = records.logits(tmp_path / "workspace", answer["run"])
    scaled = heads.scores(logits, labels, temperature=record.temperature)
    assert plain(record.test_scaled) == pytest.approx(scaled.calibration())
    assert answer["scaled_log_loss"] == record.test_scaled.log_loss


def test_averaged_views_are_reported_apart(pipeline, trained):
    _, plain = trained
    answer = pipeline("train", *WORDS, "--tta", "flip", "--json").json
    assert answer["test_accuracy"] == plain["test_accuracy"]
    logits = load_file(Path(answer["path"]) / "test_tta.safetensors")
    assert (logits["logits"].argmax(1) == logits["labels"]).mean() == answer["test_tta_accuracy"]


def test_an_unreadable_photograph_is_named_and_skipped_only_when_asked(pipeline, photo_folder):
    (photo_folder / "flower" / "bad.jpg").write_bytes(b"no image")
    words = ("train", "--network", "resnet8", "--dataset", photo_folder, "--image-size", 16, "--epochs", 1)
    refused = pipeline(*words, "--batch-size", 4, "--json")
    assert refused.status == 2
    assert "flower/bad.jpg" in refused.json["error"]
    assert pipeline(*words, "--batch-size", 4, "--on-bad-image", "skip", "--json").status == 0


def test_tensorboard_files_hold_the_history(pipeline, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def losses(folder: Path) -> dict[int, float]:
        events = EventAccumulator(str(folder))
        events.Reload()
        return {event.step: event.value for event in events.Scalars("training_loss")}

    words = (*WORDS, "--validation", "0.2", "--refit", "--tensorboard")
    answer = pipeline("train", *WORDS, "--tensorboard", tmp_path / "board", "--json").json
    refitted = pipeline("train", *words, tmp_path / "boards", "--json").json
    for one, folder in ((answer, tmp_path / "board"), (refitted, tmp_path / "boards" / "chosen")):
        lines = [json.loads(line) for line in (Path(one["path"]) / "history.jsonl").read_text().splitlines()]
        expected = {line["epoch"]: line["training_loss"] for line in lines}
        assert losses(folder) == pytest.approx(expected, rel=1e-6)
    assert losses(tmp_path / "boards" / "refit").keys() == {1, 2}
    assert not list((tmp_path / "boards").glob("events*"))


def test_the_range_test_suggests_a_rate_and_draws_it(pipeline, tmp_path):
    answer = pipeline("train", *WORDS, "--find-learning-rate", "--plot", tmp_path / "rates.svg", "--json").json
    assert answer["rates"] == sorted(answer["rates"])
    assert len(answer["losses"]) == len(answer["rates"]) > 10
    assert answer["rates"][0] < answer["suggested_learning_rate"] < answer["rates"][-1]
    assert (tmp_path / "rates.svg").read_text().startswith("<svg")
    assert list((tmp_path / "workspace").rglob("record.json")) == []
    ([kept], problems) = explorations.read_all(tmp_path / "workspace", RangeTestResult)
    assert (kept.suggested_learning_rate, problems) == (answer["suggested_learning_rate"], [])


def test_the_peak_of_memory_is_the_run_s_own_and_not_its_process_s(tmp_path, peak_bytes):
    answer = answer_of(train(NetworkSpec.of(**{**TINY, "epochs": 1}), Context(tmp_path)))
    assert 0 < answer["peak_memory_bytes"] < peak_bytes
    assert records.read(tmp_path, answer["run"]).peak_memory_bytes == answer["peak_memory_bytes"]


@pytest.mark.long
@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_processes_under_torchrun_give_one_answer_and_the_logits_of_one(pipeline, in_process, tmp_path):
    words = ["train", *WORDS, "--norm", "group", "--precision", "float32", "--json"]
    alone = pipeline(*words).json
    command = tmp_path / "command.py"
    command.write_text(COMMAND)
    how = ("--standalone", "--nproc-per-node", 2, "--start-method", "fork", "--run-path")  # torch is imported already
    ended = in_process(TORCHRUN, *how, command, *words, "--workspace", tmp_path / "together")
    together = json.loads(ended)  # one object, though there were two processes
    kept = ((tmp_path / "together", together["run"]), (tmp_path / "workspace", alone["run"]))
    assert [records.read(*one).processes for one in kept] == [2, 1]
    assert together["run"] != alone["run"]  # with BatchNorm or dropout, two processes compute something else
    ours, theirs = (records.logits(*one)[0] for one in kept)
    assert np.allclose(ours, theirs, atol=1e-4)


MISTAKES = [
    (("--recipe", "fientune"), "unknown recipe 'fientune'. Nearest: finetune"),
    (("--network", "resnt18"), "Nearest: resnet18"),
    (("--network", "vgg11", "--growth-rate", 12), "architecture option must be one that vgg11 has"),
    (("--optimizer", "sgdd"), "Nearest: sgd"),
    (("--learning-rate", -1), "learning-rate must be a number above 0"),
    (("--epochs", "many"), "many"),
    (("--patience", 3), "patience 3 must have validation images to go by; got none"),
    (("--schedule", "plateau"), "schedule plateau must have validation images"),
    (("--refit",), "refit must have validation images"),
    (("--subset", 20), "subset must be at least one batch, 50 images; got 20"),
    (("--subset", 60, "--validation", 30), "training images must be at least one batch, 50; got 30"),
    (("--validation", "2.5"), "validation must be a share"),
    (("--network", "vgg11", "--image-size", 8), "image size must be at least"),
    (("--network", "vgg11", "--stem", "imagenet", "--image-size", 32, "--small-share", 0.5), "small share must be 0"),
    (("--plot", "x.svg"), "plot must come with --find-learning-rate"),
    (("--find-learning-rate", "--plot", "x.doc"), "plot must be a file that ends in"),
    (("--learning-rte", 1), "--learning-rate"),
    (("--weights", "packaged"), "--weights"),
]


@pytest.mark.parametrize(("words", "sentence"), MISTAKES, ids=[" ".join(map(str, words)) for words, _ in MISTAKES])
def test_a_mistake_ends_with_status_2_and_one_sentence(pipeline, tmp_path, words, sentence):
    ended = pipeline("train", *WORDS, *words)
    assert ended.status == 2, ended.err
    assert sentence in ended.err
    assert len([line for line in ended.err.splitlines() if line.startswith("error: ")]) == 1
    assert records.read_all(tmp_path / "workspace") == ([], [])


def test_a_checkpoint_of_another_spec_or_with_other_classes_is_refused(pipeline, tmp_path, monkeypatch):
    def moment(self, now):
        if now.row is not None:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(progress.ProgressReporter, "report", moment)
        pipeline("train", *WORDS)
        pipeline("train", *WORDS, "--seed", 1)
    one, other = sorted((tmp_path / "workspace" / "checkpoints").rglob("checkpoint.bin"))
    other.write_bytes(one.read_bytes())
    ended = [pipeline("train", *WORDS, "--seed", seed) for seed in (0, 1)]
    assert sorted(one.status for one in ended) == [0, 2]
    refused = next(one for one in ended if one.status == 2)
    assert "must be of the spec" in refused.err
