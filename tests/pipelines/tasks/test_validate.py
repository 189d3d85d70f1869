"""Networks that are scored on their validation split alone."""

from dataclasses import replace

import pytest

from extract.data import digits
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import train
from pipelines.tasks.validate import validated
from pipelines.workspace import cache
from pipelines.workspace.context import Context

SPEC = NetworkSpec.of(
    network="test_resnet", dataset="digits", image_size=16, subset=120, batch_size=32, epochs=1, validation=30
)


def test_the_score_is_that_of_the_whole_training_and_no_test_image_is_touched(tmp_path, monkeypatch):
    full = train(SPEC, Context(tmp_path / "full")).record
    honest = digits.load

    class Sealed:
        def __getattribute__(self, name):
            raise AssertionError(f"{name} of the test split was read")

    def sealed():
        found = honest()
        return replace(found, splits={"train": found.splits["train"], "test": Sealed()})

    monkeypatch.setattr(digits, "load", sealed)
    context = Context(tmp_path / "workspace")
    found = validated(SPEC, context)
    assert not found.cached
    assert (found.record.run, found.record.accuracy) == (full.run, full.validation.accuracy)
    assert found.record.log_loss == pytest.approx(full.validation.log_loss)
    assert not (context.workspace / "checkpoints" / found.record.run).exists()
    again = validated(SPEC, context)
    assert again.cached
    assert again.record == found.record
    found.path.write_text("{}")
    with cache.looking(), pytest.raises(cache.CacheMissError):
        validated(SPEC, context)
