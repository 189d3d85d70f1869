"""Short trials: real steps have rates."""

from PIL import Image

from extract.backbones import frozen
from extract.data import folder
from pipelines.specs import NetworkSpec
from pipelines.studies import timing


def test_a_network_embeds_and_trains_at_some_rate():
    backbone = frozen.load("test_resnet", weights="untrained", image_size=32)
    embedded = timing.embedding(backbone, engine="eager", side=8, precision="float32", rows=4, device="cpu")
    assert embedded.begin > embedded.seconds > 0
    spec = NetworkSpec.of({"network": "resnet8", "width": 0.25, "dataset": "digits", "batch_size": 50})
    found = timing.training(spec, classes=10, image_size=8, device="cpu", expected=50)
    assert found["trained"].seconds > 0 < found["scored"].seconds
    assert timing.product_rate("cpu") > 0


def test_steps_that_cannot_be_taken_have_no_rate(monkeypatch):
    def refused(*_, **__):
        raise RuntimeError("no memory")

    monkeypatch.setattr(timing, "fit", refused)
    spec = NetworkSpec.of({"network": "resnet8", "dataset": "digits"})
    assert timing.training(spec, classes=10, image_size=8, device="cpu", expected=50) == {}


def test_files_are_decoded_at_some_rate(tmp_path):
    for name in ("a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (20, 30)).save(tmp_path / name)
    assert timing.decoding(folder.unread(tmp_path), size=16).seconds > 0
