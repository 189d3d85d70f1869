"""Images of a training in memory."""

import numpy as np

from pipelines.predict import classify
from pipelines.workspace import records
from pipelines.workspace.context import Context


def test_photographs_are_decoded_once_and_trained_on(pipeline, photo_folder, tmp_path):
    words = ("train", "--network", "resnet8", "--width", 0.5, "--dataset", photo_folder, "--image-size", 32)
    answer = pipeline(*words, "--recipe", "cpu", "--epochs", 1, "--batch-size", 4, "--json")
    assert answer.status == 0, answer.err
    record = records.read(tmp_path / "workspace", answer.json["run"])
    assert record.class_names == ["flower", "temple"]
    assert record.image_size == 32
    test = sorted((photo_folder / "flower").iterdir()) + sorted((photo_folder / "temple").iterdir())
    one, _ = classify.classifier(answer.json["run"], context=Context(tmp_path / "workspace"), exact=True)
    kept, labels = records.logits(tmp_path / "workspace", answer.json["run"])
    found = one.logits(test)
    assert all(any(np.array_equal(row, logits) for logits in found) for row in kept)
    assert len(labels) == 3
