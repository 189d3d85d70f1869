"""Networks of earlier runs as weights and as backbones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pipelines.specs import NetworkSpec
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.training.small import DATA, RECIPE, tensors


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> tuple[Path, dict]:
    """A workspace with a network that was trained there."""
    workspace = tmp_path_factory.mktemp("own") / "workspace"
    spec = NetworkSpec.of(
        network="resnet8", width=0.5, dataset="digits", subset=200, test_subset=100, recipe="cpu", epochs=1,
        batch_size=50, precision="float32",
    )  # fmt: skip
    return workspace, answer_of(train(spec, Context(workspace)))


def test_an_own_run_gives_its_weights(pipeline, own):
    workspace, answer = own
    words = ("finetune", "--weights", answer["run"][:8], *DATA, *RECIPE, "--workspace", workspace, "--json")
    tuned = pipeline(*words, "--mode", "partial:0").json
    before, after = tensors(answer), tensors(tuned)
    assert tuned["network"] == "resnet8"
    assert all(torch.equal(after[name], before[name]) for name in after if not name.startswith("fc."))
    record = records.read(workspace, tuned["run"])
    assert (record.key["weights_run"], record.weights) == (answer["run"], f"run:{answer['run']}")


def test_an_own_run_is_a_backbone_whose_embeddings_give_its_logits(pipeline, own):
    from extract.features.store import FeatureFile

    workspace, answer = own
    words = ("extract", "--weights", answer["run"], *DATA, "--storage", "float32", "--precision", "float32")
    words = (*words, "--workspace", workspace, "--json")
    made = pipeline(*words).json
    features = FeatureFile(Path(made["path"])).read("test").features[0]
    kept = tensors(answer)
    logits, _ = records.logits(workspace, answer["run"])
    assert np.allclose(features @ kept["fc.weight"].numpy().T + kept["fc.bias"].numpy(), logits, atol=1e-4)
    assert pipeline(*words).json["cached"] is True
    head = pipeline("fit-head", "--weights", answer["run"], *DATA, "--c-grid", "0.1,1", "--workspace", workspace)
    assert head.status == 0, head.err


def test_a_run_of_a_head_or_of_nothing_is_no_source_of_weights(pipeline, own):
    workspace, answer = own
    for words in (("extract",), ("finetune", *RECIPE)):
        ended = pipeline(*words, "--weights", "0123456789ab", *DATA, "--workspace", workspace)
        assert ended.status == 2
        assert "unknown run" in ended.err
    other = ("finetune", "--network", "resnet20", "--weights", answer["run"], *DATA, *RECIPE)
    assert "network must be the one that the run trained, resnet8" in pipeline(*other, "--workspace", workspace).err


def test_the_file_of_an_own_run_brings_its_architecture_and_preprocessing(pipeline, own, tmp_path):
    _, answer = own
    path = Path(answer["path"]) / "network.safetensors"
    tuned = pipeline("finetune", "--weights", path, *DATA, *RECIPE, "--mode", "partial:0", "--json").json
    assert tuned["network"] == "resnet8"
    assert all(torch.equal(value, tensors(answer)[name]) for name, value in tensors(tuned).items() if "fc." not in name)
    workspace = tmp_path / "workspace"
    fed, known = (
        records.read(place, one["run"]).preprocessing for place, one in ((workspace, tuned), (own[0], answer))
    )
    assert fed == known
    made = pipeline("extract", "--weights", path, *DATA, "--json")
    assert made.status == 0, made.err


def test_an_own_vit_goes_on_at_another_image_size(pipeline, tmp_path):
    words = ("--network", "test_vit", *DATA, *RECIPE, "--image-size")
    run = pipeline("train", *words, 32, "--json").json["run"]
    for command in (("finetune", "--mode", "partial:0", *words), ("extract", *DATA, "--image-size")):
        ended = pipeline(*command, 64, "--weights", run, "--json")
        assert ended.status == 0, ended.err
