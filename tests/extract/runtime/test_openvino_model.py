"""Modules in OpenVINO: any number of images, and what cannot be translated."""

import multiprocessing
import os
import subprocess
import sys

import pytest
import torch

from extract.errors import UnavailableError
from extract.runtime import openvino_model

pytestmark = [
    pytest.mark.arithmetic,
    pytest.mark.skipif(not openvino_model.is_installed(), reason="openvino is not installed"),
]


class Brightness(torch.nn.Module):
    """The mean of each channel."""

    def forward(self, images):
        return images.float().mean((2, 3))[None]


def test_any_number_of_images_gives_the_rows_that_each_has_alone():
    model = openvino_model.OpenVinoModel(Brightness(), batch_size=2)
    images = torch.randint(0, 256, (5, 3, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = model(images)
    torch.testing.assert_close(whole, Brightness()(images))
    assert torch.equal(whole, torch.cat([model(images[:2]), model(images[2:])], 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")
def test_a_process_that_is_forked_while_a_model_is_there_ends():
    """As the workers of a DataLoader are; OpenVINO's threads are not in it, so nothing of it may be freed there."""
    model = openvino_model.OpenVinoModel(Brightness(), batch_size=1)
    model(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    child = multiprocessing.get_context("fork").Process(target=int)
    child.start()
    child.join(60)
    child.kill()
    assert child.exitcode == 0


class Unheard(torch.nn.Module):
    def forward(self, images):
        return torch.linalg.eigvalsh(images[:, 0].float())[None]


def test_a_network_that_openvino_cannot_compute_is_refused_with_another_engine():
    model = openvino_model.OpenVinoModel(Unheard(), batch_size=1)
    with pytest.raises(UnavailableError, match=r"network must be one that OpenVINO .* Use --inference compiled"):
        model(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


def test_its_reports_of_use_are_not_imported():
    script = "from extract.runtime import openvino_model; openvino_model._package(); import openvino_telemetry"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "openvino_telemetry" in ended.stderr
    assert "Error" in ended.stderr


def test_doctor_says_where_extraction_would_be_faster_with_it(pipeline, monkeypatch):
    def problems(**found):
        for name, answer in found.items():
            monkeypatch.setattr(openvino_model, name, lambda *_, answer=answer: answer)
        said = pipeline("doctor", "--device", "cpu", "--json").json["problems"]
        return [problem for problem in said if "openvino" in problem]

    assert "pip install openvino" in problems(is_installed=False, is_ahead_here=True)[0]
    assert problems(is_installed=True, is_ahead_here=True) == problems(is_installed=False, is_ahead_here=False) == []
