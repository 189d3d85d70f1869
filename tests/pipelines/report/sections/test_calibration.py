"""Calibration on the page: both kinds of logits on one scale, and what cannot be told from perfect calibration."""

import numpy as np
import pytest
from scipy.special import softmax

from extract.runtime.formats import percent
from heads.metrics import scores
from pipelines.report.sections import calibration
from pipelines.report.study.study import gather


@pytest.fixture
def labels(make):
    return make.labels


def scored(record, table, labels, *, temperature):
    """The record and logits of a run whose scores are those of these logits."""
    test = scores(table, labels)
    scaled = None if temperature is None else scores(table, labels, temperature=temperature).calibration()
    return {**record, "test": test.as_dict(), "temperature": temperature, "test_scaled": scaled}, table


def honest(labels, *, seed):
    """Logits [360, 10] whose probabilities the labels follow: the label's place is drawn from them."""
    rng = np.random.default_rng(seed)
    table = np.sort(2 * rng.normal(size=(len(labels), 10)))
    places = (softmax(table, axis=1).cumsum(axis=1) > rng.random((len(labels), 1))).argmax(axis=1)
    rows = np.arange(len(labels))
    table[rows, places], table[rows, labels] = table[rows, labels], table[rows, places].copy()
    return table.astype(np.float32)


def cells(study, title):
    table = calibration.section(study).blocks[-1]
    place = next(index for index, column in enumerate(table.columns) if column.title == title)
    return [line[place].text for line in table.rows]


def test_every_run_is_shown_as_it_is_and_at_its_validation_temperature(workspace, make, labels):
    table = honest(labels, seed=0)
    record, _ = make.network("resnet20 from scratch", "scratch", accuracy=0.8)
    make.put(workspace, scored(record, 4 * table, labels, temperature=4.0))
    study = gather(workspace, None)
    plain, scaled = scores(4 * table, labels), scores(table, labels)
    assert cells(study, "Log loss") == [f"{plain.log_loss:.3f}"]
    assert cells(study, "Log loss at T") == [f"{scaled.log_loss:.3f}"]
    assert cells(study, "ECE") == [percent(plain.calibration_error, 1)]
    assert cells(study, "ECE at T") == [f"< {percent(scaled.calibration_limit, 1)}"]
    caption = calibration.section(study).blocks[0].figures[0].caption
    limit = percent(scaled.calibration_limit, 1)
    assert f"(ECE {percent(plain.calibration_error, 1)}, at its validation temperature < {limit})" in caption
    assert "“< x”: indistinguishable from perfect calibration" in caption


def test_without_validation_nothing_is_shown_at_a_temperature(workspace, make, labels):
    record, table = make.head("logistic", "resnet50", accuracy=0.9)
    make.put(workspace, scored(record, table, labels, temperature=None))
    study = gather(workspace, None)
    assert [cells(study, title) for title in ("T", "Log loss at T", "ECE at T")] == [["–"]] * 3


def test_runs_of_perfect_calibration_are_called_so(workspace, make, labels):
    for seed in range(20):
        record, _ = make.network(f"resnet{seed} from scratch", "scratch", accuracy=0.8)
        make.put(workspace, scored(record, honest(labels, seed=seed), labels, temperature=1.0))
    called = cells(gather(workspace, None), "ECE")
    assert sum(text.startswith("<") for text in called) >= 17
