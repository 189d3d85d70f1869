"""Records count the images that moved the weights, of heads and of networks."""

import numpy as np
import pytest

import heads
from heads import registry
from heads.shots import few_labels
from pipelines.report.sections import provenance
from pipelines.report.study.study import gather
from pipelines.studies import study_file
from pipelines.training import prepare
from pipelines.workspace import records
from tests.pipelines.fitting import UNTRAINED

DATA = ("--dataset", "digits", "--subset", 120, "--test-subset", 60)


HEAD = ("fit-head", *DATA, *UNTRAINED, "--image-size", 32)


NETWORK = (
    *("--network", "resnet8", "--width", 0.25, *DATA, "--image-size", 8, "--recipe", "cpu", "--epochs", 2),
    *("--batch-size", 24, "--crop", 0, "--flip", "none", "--small-share", 0.0, "--tta", "none"),
)


SPACE = "space: {learning_rate: [0.01, 0.02]}\n"


CASES = {  # the words of a command -> images trained on, images for validation
    "head": ((*HEAD, "--c-grid", "0.1,1"), 120, 12),
    "head with fixed C": ((*HEAD, "--c-grid", "1", "--validation", "none"), 120, 0),
    "network without validation": (("train", *NETWORK), 120, 0),
    "network with validation": (("train", *NETWORK, "--validation", 20), 100, 20),
    "network with refit": (("train", *NETWORK, "--validation", 20, "--refit"), 120, 20),
    "search winner": (("search", "SPACE", *NETWORK, "--validation", 20, "--trials", 2), 120, 20),
}


@pytest.mark.parametrize("case", CASES)
def test_the_record_counts_the_images_that_moved_the_weights(case, pipeline, tmp_path, monkeypatch):
    words, training_rows, validation_rows = CASES[case]
    moved = _counted(monkeypatch)
    (tmp_path / "space.yaml").write_text(SPACE)
    answer = pipeline(*(tmp_path / "space.yaml" if word == "SPACE" else word for word in words), "--json").json
    record = records.read(tmp_path / "workspace", answer.get("best_run") or answer["run"])
    assert moved[-1] == training_rows
    assert (record.choice.training_rows, record.choice.validation_rows) == (training_rows, validation_rows)
    if case == "search winner":
        assert (record.choice.criterion, record.choice.trials) == ("accuracy", 2)
        (place,) = (tmp_path / "workspace" / "searches").iterdir()
        assert record.search == place.name
        facts = dict(provenance.section(gather(tmp_path / "workspace", None)).blocks[0].facts)
        assert facts["options"] == f"the best of 2 trials by validation accuracy (search {place.name})"


def _counted(monkeypatch) -> list[int]:
    """How many images each fit of a kept head or network was given, the last one's at the end."""
    moved: list[int] = []

    def network(fit):
        return lambda start, train, *others, **options: (
            moved.append(len(train)) or fit(start, train, *others, **options)
        )

    def head(fit):
        return lambda self, features, labels: moved.append(len(labels)) or fit(self, features, labels)

    monkeypatch.setattr(prepare, "fit", network(prepare.fit))
    monkeypatch.setattr(heads.LogisticHead, "fit", head(heads.LogisticHead.fit))
    return moved


def test_a_draw_of_few_labels_counts_its_rows():
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    labels = np.repeat(np.arange(3), 20)
    runs = few_labels(registry.space("centroid"), features, labels, shots=(2, 10), draws=1)
    assert [(run.choice.training_rows, len(run.rows)) for run in runs] == [(6, 6), (30, 30)]


@pytest.mark.parametrize("study", study_file.shipped())
def test_the_studies_that_come_along_train_networks_on_as_many_images_as_heads(study, tmp_path):
    described = study_file.read(study_file.find(study), study_file.Environment({}, tmp_path))
    networks = [job.network for job in described.jobs if job.network is not None]
    assert networks
    assert all(one.validation == "none" or one.refit for one in networks)
