"""Weights files: which tensors are taken, under which names, fed how; that nothing in them is executed."""

import os

import pytest
import torch

from extract.backbones import checkpoints, frozen
from extract.errors import CorruptFileError, InvalidInputError
from tests.extract.backbones.kept import same, saved
from tests.pipelines.cli.inputs.weights import Hostile, averaged, changed, companions, prefixed, state


def test_averaged_weights_are_taken_and_others_by_name(tmp_path):
    path = saved(averaged(), tmp_path / "w.pth")
    found = checkpoints.read(path)
    assert same(found.tensors, changed(state()))
    assert "--weights w.pth#state_dict" in found.notices[0]
    assert same(checkpoints.read(f"{path}#state_dict").tensors, state())


def test_two_prefixes_are_never_merged_and_each_can_be_had(tmp_path):
    path = saved({**prefixed(changed(state()), "module."), **state()}, tmp_path / "w.pth")
    with pytest.raises(InvalidInputError, match="one tensor of each name"):
        checkpoints.read(path)
    assert same(checkpoints.read(f"{path}#module").tensors, changed(state()))


def test_harmless_objects_beside_the_tensors_are_no_hindrance(tmp_path):
    torch.save({"state_dict": state(), **companions()}, tmp_path / "w.pth")
    assert same(checkpoints.read(tmp_path / "w.pth").tensors, state())


def test_nothing_of_a_file_is_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorruptFileError, match="Nothing but tensors"):
        checkpoints.read(saved({"state_dict": state(), "more": Hostile()}, tmp_path / "w.pth"))
    assert os.listdir(tmp_path) == ["w.pth"]


@pytest.mark.parametrize(
    ("old", "new"), [("vit_small_patch16_224_dino", "vit_small_patch16_224.dino"), ("resnet18", "resnet18")]
)
def test_deprecated_names_are_resolved(old, new):
    assert frozen.current_name(old) == new
