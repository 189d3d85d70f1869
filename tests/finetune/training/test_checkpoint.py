"""Checkpoints: complete or absent, of one spec, and a training that goes on equals one that never stopped."""

import hashlib
import json
import os
import pickle
import time
from pathlib import Path

import pytest
import torch

from extract.errors import CorruptFileError, InvalidInputError, NotWritableError
from extract.runtime import devices
from extract.runtime.devices import limited_threads
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import checkpoint, engine, history
from finetune.training import trainer as trainer_module
from finetune.training.checkpoint import CheckpointManager
from finetune.training.config import TrainConfig
from finetune.training.loop import TrainingInterruptedError, fit
from finetune.training.trainer import Trainer

NAMES = ("cat", "dog")


class Evil:
    """A pickle of it makes the file at `path` when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def images():
    chance = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (60, 3, 16, 16), generator=chance).to(torch.uint8)
    return LabeledImages(pixels, torch.randint(0, 10, (60,), generator=chance))


def trained(folder, *, spec_digest="one", class_names=NAMES, stop=lambda: False, epochs=4, **options):
    network = networks.build(
        "resnet20", n_classes=10, image_size=16, options={"depth": 8, "width": 0.5, "dropout": 0.3}
    )
    return fit(
        network,
        images(),
        images(),
        recipe=Recipe(**{"epochs": epochs, "batch_size": 20, "crop": 2, "compile": "off", **options}),
        config=TrainConfig(
            normalization=((0.5,) * 3, (0.3,) * 3),
            device="cpu",
            checkpoint_folder=folder,
            spec_digest=spec_digest,
            class_names=class_names,
            stop=stop,
        ),
    )


def facts(fitted):
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in fitted.history]
    return rows, [value.numpy().tobytes() for value in fitted.network.state_dict().values()]


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_killed_six_times_the_weights_are_those_of_an_uninterrupted_training(tmp_path, in_process):
    assert in_process(Path(__file__).with_name("killed.py"), tmp_path).startswith("6 kills")


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "adamw", "learning_rate": 1e-3, "ema": 0.9},
        {"optimizer": "nesterov", "lookahead": 2, "patience": 3, "schedule": "plateau"},
        {"optimizer": "muon", "learning_rate": 1e-3, "accumulate": 2, "cutmix": 1.0},
    ],
)
def test_stopped_after_any_update_it_goes_on_to_the_same_bits(tmp_path, options):
    expected = facts(trained(tmp_path / "reference", **options))
    looks, interruptions = 0, 0

    def stop():
        nonlocal looks
        looks += 1
        return looks % 5 == 0  # in the middle of an epoch of three updates, and between two

    while True:
        try:
            fitted = trained(tmp_path / "stopped", stop=stop, **options)
            break
        except TrainingInterruptedError:
            interruptions += 1
    assert interruptions >= 2
    assert facts(fitted) == expected
    lines = (tmp_path / "stopped" / history.NAME).read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]


@pytest.mark.filterwarnings("ignore:.*copying from a non-meta parameter")
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_an_optimizer_s_counts_come_back_in_memory_and_the_rest_on_the_device(tmp_path, monkeypatch, optimizer):
    looks = iter([False, True])
    with pytest.raises(TrainingInterruptedError):
        trained(tmp_path, optimizer=optimizer, stop=lambda: next(looks))
    monkeypatch.setattr(trainer_module, "resolve_device", lambda _: "meta")  # stands for a GPU
    network = networks.build("resnet20", n_classes=10, image_size=16, options={"depth": 8, "width": 0.5})
    recipe = Recipe(batch_size=20, optimizer=optimizer, compile="off", precision="float32")
    config = TrainConfig(((0.5,) * 3, (0.3,) * 3), checkpoint_folder=tmp_path, spec_digest="one", class_names=NAMES)
    trainer = Trainer(network, images(), recipe=recipe, config=config)
    assert CheckpointManager(trainer).resume()
    state = trainer.optimizer.state_dict()
    parts = [one["state"] for one in state.get("parts", [state])]
    held = [item for part in parts for one in part.values() for item in one.items()]
    assert {value.device.type for name, value in held if name == "step"} == {"cpu"}
    assert {value.device.type for name, value in held if name != "step"} == {"meta"}
    assert trainer.begun is not None
    assert {value.device.type for value in trainer.begun.sums.values()} == {"meta"}


def test_threads_left_to_busy_processes_stay_so_until_a_number_is_chosen(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for module in (trainer_module, engine):
        monkeypatch.setattr(module, "thread_count", lambda: 2)
    monkeypatch.setattr(devices, "SHARED_FROM_FLOPS", 0.0)
    found: list[tuple[int, int]] = []

    def followed(idle):
        monkeypatch.setattr(devices, "idle_cores", lambda: idle)
        config = TrainConfig(
            ((0.5,) * 3, (0.3,) * 3),
            device="cpu",
            checkpoint_folder=tmp_path,
            progress=lambda now: found.append((torch.get_num_threads(), now.left_threads)),
            stop=lambda: bool(found),
        )
        network = networks.build("resnet20", n_classes=10, image_size=16, options={"depth": 8, "width": 0.5})
        with limited_threads(2), pytest.raises(TrainingInterruptedError):
            fit(network, images(), None, recipe=Recipe(epochs=9, batch_size=20, compile="off"), config=config)
        return found.pop() if len(found) == 1 else found

    assert followed(idle=1.0) == (1, 1)
    assert followed(idle=2.0) == (1, 1)  # on it goes as it began
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # as --threads does
    assert followed(idle=1.0) == (2, 0)


def test_the_seconds_of_an_epoch_are_those_of_all_processes_that_took_part(tmp_path):
    looks = 0

    def stop():
        nonlocal looks
        looks += 1
        time.sleep(0.2)
        return looks == 2  # of the three updates of the first epoch

    with pytest.raises(TrainingInterruptedError):
        trained(tmp_path, stop=stop, epochs=2)
    fitted = trained(tmp_path, epochs=2)
    first, second = (row["seconds"] for row in fitted.history)
    assert first > 0.4
    assert first + second == pytest.approx(fitted.train_seconds, abs=0.01)


def test_a_finished_training_is_not_trained_again(tmp_path):
    first = facts(trained(tmp_path))
    assert facts(trained(tmp_path, stop=lambda: True)) == first


def test_a_checkpoint_that_is_cut_short_altered_or_foreign_is_refused(tmp_path):
    trained(tmp_path, epochs=1)
    path = tmp_path / checkpoint.NAME
    content = path.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    for damaged in (content[:-1], content[: len(content) // 2], content[:3], b"", bytes(flipped), b"hello\nyou"):
        path.write_bytes(damaged)
        with pytest.raises(
            CorruptFileError, match="must be a complete checkpoint; got one that is cut short, altered or foreign"
        ):
            trained(tmp_path, epochs=1)


def test_a_checkpoint_of_another_spec_or_other_classes_is_refused_in_one_sentence(tmp_path):
    trained(tmp_path, epochs=1)
    with pytest.raises(InvalidInputError, match="must be of the spec other; got one of one") as raised:
        trained(tmp_path, epochs=1, spec_digest="other")
    assert "\n" not in str(raised.value)
    with pytest.raises(InvalidInputError, match="must be of the classes cat, cow; got cat, dog"):
        trained(tmp_path, epochs=1, class_names=("cat", "cow"))


def test_a_prepared_pickle_in_the_place_of_a_checkpoint_is_not_executed(tmp_path):
    content = pickle.dumps(Evil(tmp_path / "executed"))
    for head in (b"", b"transfer-bench training 1 ", checkpoint.FORMAT):
        digest = hashlib.sha256(content).hexdigest().encode() + b"\n" if head else b""
        (tmp_path / checkpoint.NAME).write_bytes(head + digest + content)
        with pytest.raises(CorruptFileError):
            checkpoint.load(tmp_path, spec_digest="one", class_names=())
    assert not (tmp_path / "executed").exists()


def test_what_a_checkpoint_cannot_hold_is_refused_when_it_is_written(tmp_path):
    with pytest.raises(TypeError, match=r"got \w+Path"):
        checkpoint.save(tmp_path, {"place": tmp_path})


def test_a_state_comes_back_to_the_bit_with_its_axes_in_the_order_they_had_in_memory(tmp_path):
    images = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    tensors = [images, images.bfloat16(), torch.tensor(3), torch.arange(4.0).expand(2, 4), torch.randn(3, 4).T]
    tensors += [torch.zeros(0, 3), images[:, :, ::2], torch.tensor([True])]
    numbers = {"rate": 0.1 + 0.2, "none": None, 3: (1, [2.5, "text"], {"on": True}), "lost": float("inf")}
    checkpoint.save(tmp_path, {"spec_digest": "", "class_names": [], "numbers": numbers, "tensors": tensors})
    state = checkpoint.load(tmp_path, spec_digest="", class_names=())
    assert state is not None
    assert state["numbers"] == numbers
    for one, other in zip(state["tensors"], tensors, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert torch.equal(one, other)
    assert all(state["tensors"][index].stride() == tensors[index].stride() for index in (0, 1, 2, 4, 7))


def test_a_checkpoint_leaves_no_other_file(tmp_path):
    assert checkpoint.load(tmp_path, spec_digest="", class_names=()) is None
    for step in range(2):
        checkpoint.save(tmp_path, {"spec_digest": "", "class_names": [], "step": step})
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.NAME]
    state = checkpoint.load(tmp_path, spec_digest="", class_names=())
    assert state is not None
    assert state["step"] == 1


@pytest.mark.parametrize(("first", "is_refused"), [([2, 0], False), ([0, 0], True)])
def test_processes_with_different_checkpoints_do_not_go_on_together(tmp_path, monkeypatch, first, is_refused):
    trained(tmp_path, epochs=2)
    monkeypatch.setattr(checkpoint.distributed, "from_first", lambda _: first)
    if is_refused:
        with pytest.raises(InvalidInputError, match=r"one after epoch 2, update 0 of the next\. Give all of them one"):
            trained(tmp_path, epochs=2)
    else:
        assert trained(tmp_path, epochs=2).epochs_run == 2


def test_a_file_in_the_place_of_the_folder_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "taken").touch()
    for write in (lambda place: checkpoint.save(place, {}), lambda place: history.write(place, [])):
        with pytest.raises(NotWritableError, match=r"taken' must be writable; got File exists\. Move away"):
            write(tmp_path / "taken")
