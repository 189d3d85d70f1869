"""What the tests of trainings share: a trained network, and weights from elsewhere to train from."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from pipelines.specs import NetworkSpec
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.workspace.context import Context
from tests.pipelines.training.small import DATA, SIZE, TINY


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[Path, dict]:
    """A workspace with one trained network, and the answer that the stage gave."""
    workspace = tmp_path_factory.mktemp("trained") / "workspace"
    return workspace, answer_of(train(NetworkSpec.of(**TINY), Context(workspace)))


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory) -> Path:
    """Weights of timm's test_resnet, with a classifier for 1000 classes, as a file from elsewhere."""
    path = tmp_path_factory.mktemp("weights") / "elsewhere.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model("test_resnet", pretrained=False).state_dict(), path)
    return path


@pytest.fixture
def tuning(weights_file) -> tuple:
    """The words that train from these weights on few digits."""
    return ("finetune", "--network", "test_resnet", "--weights", weights_file, *DATA, *SIZE)
