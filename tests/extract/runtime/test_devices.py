"""Devices: what torch can use, and what time on them is."""

import pytest
import torch

from extract.errors import InvalidInputError, UnavailableError
from extract.runtime import devices
from extract.runtime.devices import Stopwatch


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch can use the GPU here")
def test_a_stopwatch_on_a_device_that_torch_cannot_use_says_so():
    with pytest.raises(UnavailableError, match="torch cannot use it"):
        Stopwatch("cuda:0")


@pytest.mark.parametrize(
    ("capability", "built", "device", "precision"),
    [
        ((9, 0), [], "cuda:0", "bfloat16"),
        ((8, 0), ["sm_75", "sm_80"], "cuda:0", "bfloat16"),
        ((7, 5), ["sm_75", "sm_80"], "cuda:0", "float32"),  # emulates bfloat16
        ((6, 1), ["sm_75", "sm_80"], "cpu", "float32"),  # torch has no code for it
        ((7, 5), ["sm_70"], "cuda:0", "float32"),
        ((12, 1), ["sm_90", "compute_120"], "cuda:0", "bfloat16"),
        ((12, 0), ["sm_90", "sm_100a"], "cpu", "bfloat16"),
    ],
)
def test_a_gpu_that_torch_has_no_code_for_is_not_taken_and_bfloat16_needs_units(
    monkeypatch, capability, built, device, precision
):
    monkeypatch.setattr(devices, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(devices, "cuda_capability", lambda _: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built)
    assert devices.resolve_device("auto") == device
    assert devices.resolve_precision("auto", "cuda:0") == precision


def test_a_device_of_torch_is_taken_by_its_name():
    assert devices.resolve_device(torch.device("cpu")) == "cpu"
    with pytest.raises(InvalidInputError, match="device must be auto, cpu"):
        devices.resolve_device(torch.device("meta"))
