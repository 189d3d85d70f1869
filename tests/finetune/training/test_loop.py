"""Training a network: what it reaches, what it must not touch, how it ends."""

import itertools
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from extract.errors import InvalidInputError, TransferBenchError
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages, pixel_statistics
from finetune.recipes import Recipe
from finetune.training import checkpoint, history, loop
from finetune.training.config import TrainConfig
from finetune.training.evaluate import logits
from finetune.training.loop import TrainingInterruptedError, fit
from tests.finetune.training.trained import PLAIN, row, same, small, trained


def accuracy(network, images):
    given = logits(network, images.images, normalization=pixel_statistics(images.images))
    return float((given.argmax(1) == images.labels).float().mean())


def test_the_rate_that_is_told_leaves_out_a_slow_first_step(images, monkeypatch):
    monkeypatch.setitem(loop.LOOK_SECONDS, "cpu", 0.0)
    network, moments = small(), []
    waits = iter([2.0])
    network.register_forward_pre_hook(lambda one, _: time.sleep(next(waits, 0.0) if one.training else 0.0))
    trained(network, images, epochs=1, progress=moments.append)
    first = moments[0]
    assert (first.step, first.row) == (2, None)
    assert first.images_per_second > 20 / 2.0
    assert first.seconds_left < 3 * 2.0


def test_a_network_memorises_a_hundred_images(images):
    fitted = trained(small(), images, epochs=30, optimizer="adamw", learning_rate=0.02, schedule="one-cycle")
    assert accuracy(fitted.network, images) == 1.0
    assert fitted.epochs_run == fitted.best_epoch == 30
    assert fitted.images_per_second > 0
    assert fitted.curves["running_training_loss"][-1] < 0.1
    assert not fitted.network.training


@pytest.mark.parametrize("name", ["resnet20", "preact20", "vgg11", "densenet-bc-40-12"])
def test_the_loss_starts_near_ln_k_and_every_trainable_parameter_gets_a_gradient(images, name):
    network = networks.build(name, n_classes=10, image_size=32)
    inputs = torch.nn.functional.interpolate(images.images[:32].float(), 32) / 64 - 2
    optimizer = torch.optim.SGD(network.train().parameters(), lr=1e-3)
    for step in range(2):  # before the first update, branches that start at zero pass no gradient on
        loss = nn.functional.cross_entropy(network(inputs), images.labels[:32])
        assert step or abs(loss.item() - math.log(10)) < 0.4
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()] == []


def test_the_same_seed_gives_the_same_weights_and_leaves_the_global_generator(images):
    state = torch.get_rng_state()
    options = {"epochs": 2, "dropout": 0.5} | {"crop": 2, "flip": "random", "randaugment": 3}
    dropout = options.pop("dropout")
    runs = [trained(small(dropout=dropout), images, **options, seed=seed).network for seed in (0, 0, 1)]
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_early_stopping_keeps_the_best_weights(images):
    held = LabeledImages(images.images[:40], images.labels.roll(3)[:40])  # labels that no training helps with
    fitted = trained(small(), images, held, epochs=30, patience=3, learning_rate=0.1)
    assert fitted.epochs_run < 30
    assert fitted.best_epoch == fitted.epochs_run - 3 == history.best_epoch(fitted.history)
    best = fitted.history[fitted.best_epoch - 1]
    assert accuracy(fitted.network, held) == pytest.approx(best["validation_accuracy"], abs=1e-6)
    with pytest.raises(InvalidInputError, match="patience must be left out without validation images"):
        trained(small(), images, patience=3)


def test_a_training_that_is_stopped_after_an_epoch_is_the_whole_one_up_to_there(images):
    recipe = {"epochs": 6, "schedule": "cosine", "warmup": 0.4, "small_share": 0.5, "lookahead": 2, "ema": 0.9}
    whole = trained(small(), images, **recipe, learning_rate=0.1)
    part = trained(small(), images, **recipe, learning_rate=0.1, stop_epoch=4)
    assert (part.epochs_run, part.best_epoch) == (4, 4)
    for name, curve in part.curves.items():
        assert curve == whole.curves[name][:4]


def test_averaged_weights_are_the_result_and_what_is_judged(images):
    fitted = trained(small(), images, images, epochs=3, ema=0.9, learning_rate=0.1)
    plain = trained(small(), images, images, epochs=3, learning_rate=0.1)
    assert not same(fitted.network, plain.network)
    assert plain.curves["running_training_loss"] == fitted.curves["running_training_loss"]  # averaging only watches
    assert accuracy(fitted.network, images) == pytest.approx(fitted.history[-1]["validation_accuracy"], abs=1e-6)
    ahead = trained(small(), images, epochs=3, lookahead=2, learning_rate=0.1)
    assert ahead.curves["running_training_loss"] != plain.curves["running_training_loss"]


def test_a_diverging_run_ends_with_one_sentence_and_the_last_good_checkpoint(images, tmp_path):
    torch.manual_seed(0)
    bare = nn.Sequential(nn.Flatten(), nn.Linear(768, 16), nn.Linear(16, 10))
    with pytest.raises(
        TransferBenchError, match=r"finite loss and weights; got .* in epoch \d.*; lower the learning rate"
    ) as raised:
        trained(bare, images, epochs=30, learning_rate=100.0, warmup=0.9, checkpoint_folder=tmp_path)
    assert "\n" not in str(raised.value)
    rows = [json.loads(line) for line in (tmp_path / history.NAME).read_text().splitlines()]
    assert all(math.isfinite(row["running_training_loss"]) for row in rows)
    kept = checkpoint.load(tmp_path, spec_digest="", class_names=())
    if kept is not None:
        assert len(kept["rows"]) == len(rows)
        assert all(value.isfinite().all() for value in kept["network"].values())


def test_the_time_left_counts_small_images_by_their_size(images):
    heard = []
    trained(small(), images, epochs=4, small_share=0.5, progress=heard.append)
    steps = [now.seconds_left * now.images_per_second / 20 for now in heard if now.row is not None]
    area = (12 / 16) ** 2
    np.testing.assert_allclose(steps[:2], [5 + 10 / area, 10 / area])  # steps like those that were timed
    mixed = (10 + 5) / (10 * area + 5)  # of the three epochs that were timed, steps for the work of one of full size
    np.testing.assert_allclose(steps[2:], [5 * mixed, 0])


def test_history_has_a_line_an_epoch_and_progress_hears_of_it(images, tmp_path):
    heard = []
    fitted = trained(small(), images, images, epochs=3, checkpoint_folder=tmp_path, progress=heard.append, warmup=0.5)
    rows = [json.loads(line) for line in (tmp_path / history.NAME).read_text().splitlines()]
    assert rows == fitted.history
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert set(fitted.curves) == set(history.CURVES) - {"validation_balanced_accuracy", "validation_macro_f1"}
    whole = [moment for moment in heard if moment.row is not None]
    assert [moment.row for moment in whole] == rows
    assert (whole[-1].epoch, whole[-1].step, whole[-1].seconds_left) == (3, 5, 0)
    assert rows[0]["learning_rate"] < rows[-1]["learning_rate"] == 0.1


def test_tensorboard_files_are_written_on_request(images, tmp_path):
    pytest.importorskip("tensorboard")
    trained(small(), images, epochs=1, tensorboard=tmp_path)
    assert list(Path(tmp_path).glob("events.*"))


def steps_on_disk(folder):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(folder)).Reload()
    return [one.step for one in events.Scalars("running_training_loss")] if events.Tags()["scalars"] else []


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_training_killed_beside_its_checkpoint_and_resumed_has_every_row_once(images, tmp_path, monkeypatch, dies):
    board, save = tmp_path / "board", checkpoint.save

    def killed(folder, state):
        assert steps_on_disk(board) == [row["epoch"] for row in state["rows"]]  # no kill can take them away
        if len(state["rows"]) == 2:
            if dies == "after":
                save(folder, state)
            raise KeyboardInterrupt
        return save(folder, state)

    places = {"checkpoint_folder": tmp_path / "kept", "tensorboard": board}
    monkeypatch.setattr(checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        trained(small(), images, epochs=4, **places)
    monkeypatch.undo()
    trained(small(), images, epochs=4, **places)
    assert steps_on_disk(board) == [1, 2, 3, 4]


def test_a_resumed_training_tells_a_new_tensorboard_what_it_did_before(images, tmp_path):
    looks = itertools.count()
    kept = {"checkpoint_folder": tmp_path / "kept"}
    with pytest.raises(TrainingInterruptedError):
        trained(small(), images, epochs=3, stop=lambda: next(looks) == 8, **kept)  # in the second epoch
    trained(small(), images, epochs=3, tensorboard=tmp_path / "board", **kept)
    assert steps_on_disk(tmp_path / "board") == [1, 2, 3]


@pytest.mark.parametrize("step", [2, 3, 5])
def test_a_long_epoch_is_kept_as_far_as_it_is_and_killed_it_goes_on_from_there(images, tmp_path, monkeypatch, step):
    def killed():
        if next(looks) == step:
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(loop, "KEEP_SECONDS", 0.0)
    looks, taken = itertools.count(1), []
    with pytest.raises(KeyboardInterrupt):
        trained(small(), images, images, epochs=2, checkpoint_folder=tmp_path, stop=killed)
    kept = checkpoint.load(tmp_path, spec_digest="", class_names=())
    assert kept is not None
    assert (len(kept["rows"]), kept["begun"]["step"]) == (0, step)
    assert kept["seconds"] == pytest.approx(kept["epoch_seconds"])
    again = trained(
        small(), images, images, epochs=2, checkpoint_folder=tmp_path, stop=lambda: bool(taken.append(1)) and False
    )
    monkeypatch.undo()
    whole = trained(small(), images, images, epochs=2)
    assert len(taken) == 11 - step  # asked after each step and after the first epoch
    assert same(again.network, whole.network)
    assert again.curves == whole.curves


def test_a_stop_request_is_an_error_that_says_what_is_kept(images, tmp_path):
    with pytest.raises(
        TrainingInterruptedError, match=r"got a stop request in epoch 1 of 3\. The checkpoint after epoch 0 is kept"
    ):
        trained(small(), images, epochs=3, checkpoint_folder=tmp_path, stop=lambda: True)
    with pytest.raises(TrainingInterruptedError, match=r"No checkpoint was written"):
        trained(small(), images, epochs=3, stop=lambda: True)


def test_plateau_acts_in_training(images):
    fitted = trained(small(), images, images, epochs=8, schedule="plateau", learning_rate=1e-9)
    rates = fitted.curves["learning_rate"]
    expected = [1e-9 * history.plateau_factor(fitted.history[:epoch]) for epoch in range(8)]
    assert rates == pytest.approx(expected, rel=1e-9)


def test_a_training_that_follows_another_takes_its_plateaus(images):
    rows = [row(number, 0.5, loss) for number, loss in enumerate([2.0, 1.0, *[1.5] * 6], 1)]
    options = {"epochs": 8, "schedule": "plateau", "learning_rate": 1e-9}
    fitted = fit(
        small(),
        images,
        None,
        recipe=Recipe(**{**PLAIN, **options}),
        config=TrainConfig(pixel_statistics(images.images), device="cpu", followed=rows),
    )
    assert fitted.curves["learning_rate"] == pytest.approx([1e-9] * 7 + [1e-10])


def test_tensorboards_writer_is_closed_however_a_training_ends(images, tmp_path, monkeypatch):
    class Board:
        def __init__(self):
            self.steps, self.is_closed = set(), False

        def add_scalar(self, name, value, step):
            assert not self.is_closed
            self.steps.add(step)

        def flush(self):
            pass

        def close(self):
            self.is_closed = True

        log_dir = "board"

    boards, looks = [], itertools.count()
    monkeypatch.setattr(loop, "_board", lambda folder, rows: boards.append(Board()) or boards[-1])
    trained(small(), images, epochs=1, tensorboard=tmp_path)
    with pytest.raises(TrainingInterruptedError):
        trained(small(), images, epochs=3, tensorboard=tmp_path, stop=lambda: next(looks) == 6)  # in the second epoch
    with pytest.raises(TransferBenchError, match="finite"):
        trained(small(), images, epochs=3, tensorboard=tmp_path, learning_rate=1e30)
    assert [(board.steps, board.is_closed) for board in boards] == [({1}, True), ({1}, True), (set(), True)]
