"""The extraction of a feature file, and what is taken from one that is there."""

from pathlib import Path
from typing import ClassVar

import pytest
import torch

from extract.runtime import openvino_model
from tests.pipelines.fitting import TINY, UNTRAINED

needs_openvino = pytest.mark.skipif(not openvino_model.is_installed(), reason="openvino is not installed")


@pytest.mark.parametrize("harm", ["remove", "truncate", "flip"])
def test_a_feature_file_that_is_gone_or_damaged_is_made_again(pipeline, harm):
    first = pipeline("extract", *TINY, "--subset", 50, "--test-subset", 20, "--json").json
    path = Path(first["path"])
    whole = path.read_bytes()
    if harm == "remove":
        path.unlink()
    elif harm == "truncate":
        path.write_bytes(whole[:-100])
    else:
        path.write_bytes(whole[:-1000] + bytes([whole[-1000] ^ 8]) + whole[-999:])
    again = pipeline("extract", *TINY, "--subset", 50, "--test-subset", 20, "--json").json
    assert again["cached"] is False
    assert path.read_bytes() == whole


@pytest.mark.parametrize("blocks", [2, 3])
def test_an_extraction_that_went_on_cost_what_all_its_images_did(pipeline, monkeypatch, blocks):
    from extract.features import extraction, store
    from pipelines.workspace import extractions

    monkeypatch.setattr(extraction, "BLOCK_ROWS", 20)
    words = ("extract", *TINY, "--batch-size", 20, "--subset", 40, "--test-subset", 20, "--json")
    finish, write, written = store.FeatureWriter.finish, store.FeatureWriter.write, []

    def full(self, *rows):
        if len(written) == blocks:
            raise OSError(28, "No space left on device")
        written.append(write(self, *rows))

    with monkeypatch.context() as patch:
        patch.setattr(store.FeatureWriter, "write", full)
        patch.setattr(store.FeatureWriter, "finish", lambda self: full(self) or finish(self))
        assert pipeline(*words).status == 1
    path = Path(pipeline(*words).json["path"])
    found = extractions.find(path.parent.parent, store.FeatureFile(path).content)
    if blocks == 3:  # all that there are
        assert (found.timing, found.seconds) == (None, None)
    else:
        assert found.timing.images_computed == 20
        assert found.seconds == pytest.approx(found.timing.seconds + 40 / found.timing.images_per_second)


class Small(torch.nn.Sequential):
    """A network that is quickly compiled, four times."""

    pretrained_cfg: ClassVar = {"input_size": (3, 12, 12)}

    def __init__(self):
        layers = torch.nn.Conv2d(3, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()
        super().__init__(*layers)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["eager", "compiled", pytest.param("openvino", marks=needs_openvino)])
def test_flip_views_beside_a_plain_file_compute_the_mirrored_view_only_and_give_the_same_bits(
    pipeline, monkeypatch, engine
):
    from extract.backbones import frozen
    from extract.features import engines
    from extract.features.store import FeatureFile
    from pipelines.workspace import extractions

    monkeypatch.setattr(engines, "choose_engine", lambda *_, **__: (engine, "the test says so"))
    counted = []
    build = engines.build
    monkeypatch.setattr(engines, "build", lambda one, **how: counted.append(how["views"]) or build(one, **how))
    monkeypatch.setattr(frozen, "_create", lambda name, image_size: Small())
    words = ("extract", *UNTRAINED, "--dataset", "digits", "--batch-size", 20, "--json")
    words = (*words, "--subset", 40, "--test-subset", 20)  # batches of one shape
    alone = Path(pipeline(*words, "--views", "flip").json["path"])
    whole = alone.read_bytes()
    alone.unlink()
    plain = pipeline(*words).json
    ended = pipeline(*words, "--views", "flip")
    assert "the plain view is there already" in ended.err
    assert counted == [("plain", "mirrored"), ("plain",), ("mirrored",)]
    assert Path(ended.json["path"]).read_bytes() == whole
    took = {
        views: extractions.find(alone.parent.parent, FeatureFile(path).content).seconds
        for views, path in (("plain", Path(plain["path"])), ("flip", alone))
    }
    assert took["flip"] == pytest.approx(took["plain"] + ended.json["seconds"], abs=1e-6)


def test_a_damaged_plain_file_lends_nothing(pipeline):
    words = ("extract", *TINY, "--subset", 40, "--test-subset", 20, "--json")
    plain = Path(pipeline(*words).json["path"])
    content = bytearray(plain.read_bytes())
    content[-500] ^= 1
    plain.write_bytes(content)
    ended = pipeline(*words, "--views", "flip")
    assert ended.status == 0
    assert "the plain view is there already" not in ended.err
