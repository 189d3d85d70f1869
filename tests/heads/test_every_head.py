"""What the project promises of every head, asked of every kind that there is."""

import json

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import estimator_checks_generator

from extract.errors import CorruptFileError, InvalidInputError
from heads.metrics import scores
from heads.persist import SIDECAR_NAME, load, save
from heads.protocol import fit_head
from heads.registry import head_class, space
from tests.heads.every_kind import ONE, every_head, unfitted

# A small search of each kind, so that the tests are quick.
SMALL = {
    "logistic": {"c_grid": [1e-3, 1e-2, 1e-1]},
    "linear": {"learning_rates": [3e-2, 1e-1], "weight_decays": [0.01], "epochs": 5, "batch_size": 64},
    "mlp": {
        "learning_rates": [3e-2],
        "sizes": [32],
        "epochs": 12,
        "input_dropout": 0.1,
        "power": 0.5,
        "mixup": 0.5,
        "copies": 2,
        "batch_size": 64,
    },
}


def fitted(kind, blobs):
    """(head, choice) of a small search on the first 400 rows."""
    return fit_head(kind, SMALL.get(kind), features=blobs[0][:400], labels=blobs[1][:400], seed=1)


@every_head
def test_it_learns(kind, blobs):
    head, choice = fitted(kind, blobs)
    assert head.score(blobs[0][400:], blobs[1][400:]) > 0.85
    assert choice.validation.accuracy > 0.8
    assert choice.validation.log_loss < 0.7
    assert type(head) is head_class(kind)
    assert head.kind == choice.kind == kind
    assert len(choice.table) <= space(kind, SMALL.get(kind)).count()
    assert json.loads(json.dumps(choice.as_dict(), allow_nan=False))["kind"] == kind


@every_head
def test_hundreds_of_columns_that_never_vary_change_little(kind, blobs):
    """As of small images under a network for large ones, most of whose last features are always 0."""
    whole = np.zeros((600, 500), np.float32)
    whole[:, 40:440:20] = blobs[0]
    rows = slice(0, 560)  # more than there are columns: the gram of the columns is the one that is singular
    head, _ = fit_head(kind, SMALL.get(kind), features=whole[rows], labels=blobs[1][rows], seed=1)
    assert head.score(whole[rows], blobs[1][rows]) > 0.8


@every_head
def test_test_labels_replaced_by_noise_change_no_choice_no_weight_and_no_validation_score(kind, blobs):
    features, labels = blobs
    noise = np.random.default_rng(1).integers(0, 4, 200)
    runs = []
    for test_labels in (labels[400:], noise):
        head, choice = fitted(kind, (features, np.concatenate([labels[:400], test_labels])))
        test_scores = scores(head.logits(features[400:]), test_labels)
        untimed = {key: value for key, value in choice.as_dict().items() if not key.endswith("seconds")}
        runs.append((head.weights(), untimed, test_scores))
    assert runs[0][1] == runs[1][1]
    assert runs[0][0].keys() == runs[1][0].keys()
    for name, array in runs[0][0].items():
        np.testing.assert_array_equal(array, runs[1][0][name])
    assert runs[0][2].accuracy > runs[1][2].accuracy + 0.3  # the noise was noise, and was looked at


@every_head
def test_the_search_says_how_far_it_is_and_ends_with_all(kind, blobs):
    told = []
    fit_head(
        kind,
        SMALL.get(kind),
        features=blobs[0],
        labels=blobs[1],
        progress=lambda done, total, what: told.append((done, total)) if what == "candidates" else None,
    )
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))


@every_head
def test_a_fit_is_repeatable_bit_for_bit(kind, blobs):
    (first, one), (second, two) = (fitted(kind, blobs) for _ in range(2))
    for name, array in first.weights().items():
        np.testing.assert_array_equal(array, second.weights()[name])
    np.testing.assert_array_equal(first.logits(blobs[0]), second.logits(blobs[0]))
    assert (one.options, one.table, one.curves) == (two.options, two.table, two.curves)


@every_head
def test_one_image_gives_the_same_logits_as_a_batch(kind, blobs):
    head = unfitted(kind).fit(*blobs)
    together = head.logits(blobs[0])
    alone = np.concatenate([head.logits(row[None]) for row in blobs[0][:40]])
    np.testing.assert_array_equal(together[:40], alone)
    assert together.dtype == np.float32


@every_head
def test_features_are_not_changed(kind, blobs):
    for dtype in (np.float16, np.float32, np.float64):
        features = blobs[0].astype(dtype)
        before = features.copy()
        unfitted(kind).fit(features, blobs[1]).predict(features)
        np.testing.assert_array_equal(features, before)


@every_head
def test_half_floats_tensors_and_named_classes_are_taken(kind, blobs):
    features, labels = blobs
    names = np.array(["cat", "dog", "eel", "fox"])[labels]
    head = unfitted(kind).fit(torch.from_numpy(features), names)
    assert set(head.predict(torch.from_numpy(features))) == set(names)
    half = unfitted(kind).fit(features.astype(np.float16), names)
    np.testing.assert_allclose(half.predict_proba(features), head.predict_proba(features), atol=0.02)


@every_head
def test_float16_storage_costs_at_most_a_tenth_of_a_point(kind, digits):
    features = digits[0] / 16 + np.random.default_rng(0).normal(size=digits[0].shape) * 0.01
    accuracies = []
    for dtype in (np.float32, np.float16):
        stored = features.astype(dtype)
        head, _ = fit_head(kind, SMALL.get(kind), features=stored[:1000], labels=digits[1][:1000])
        accuracies.append(head.score(stored[1000:], digits[1][1000:]))
    assert accuracies[0] - accuracies[1] <= 0.00126  # one of 797 images, the step nearest to 0.1 point


@every_head
def test_a_class_with_one_example_and_a_constant_column_are_fitted(kind, blobs):
    features = np.concatenate([blobs[0], np.full((600, 1), 7.0)], axis=1)
    keep = np.r_[np.flatnonzero(blobs[1] != 2), np.flatnonzero(blobs[1] == 2)[:1]]
    head, _ = fit_head(kind, SMALL.get(kind), features=features[keep], labels=blobs[1][keep])
    assert list(head.classes_) == [0, 1, 2, 3]
    assert np.isfinite(head.logits(features)).all()


@every_head
def test_validation_none_takes_the_one_candidate_and_refuses_several(kind, blobs):
    head, choice = fit_head(kind, ONE[kind], features=blobs[0], labels=blobs[1], validation=None)
    assert (choice.criterion, choice.validation, choice.temperature, choice.table) == ("given", None, None, ())
    assert head.score(*blobs) > 0.8
    with pytest.raises(InvalidInputError, match=r"without validation images"):
        fit_head(kind, features=blobs[0], labels=blobs[1], validation=None)


@every_head
def test_progress_counts_the_candidates(kind, blobs):
    seen = []
    fit_head(kind, SMALL.get(kind), features=blobs[0], labels=blobs[1], progress=lambda *words: seen.append(words))
    count = space(kind, SMALL.get(kind)).count()
    assert [words for words in seen if words[2] == "candidates"] == [
        (done, count, "candidates") for done in range(1, count + 1)
    ]


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_progress_counts_the_epochs_in_which_candidates_and_the_chosen_head_learn(kind, blobs):
    seen = []
    fit_head(kind, SMALL.get(kind), features=blobs[0], labels=blobs[1], progress=lambda *words: seen.append(words))
    chosen = [at for at, words in enumerate(seen) if words[2] == "candidates"]
    for part in (seen[: chosen[0]], seen[chosen[-1] + 1 :]):
        assert [done for done, _, what in part[:2] if what == "epochs"] == [0, 1]
        done, total, what = part[-1]
        assert (done, what) == (total, "epochs")  # also where it stopped early: nothing may look unfinished


@every_head
def test_more_validation_rows_than_examples_are_refused(kind, blobs):
    for part, words in (
        (600, "fewer rows than the 600 there are"),
        (1.0, "share between 0 and 1"),
        (598, "at most 596"),
    ):
        with pytest.raises(InvalidInputError, match=words):
            fit_head(kind, features=blobs[0], labels=blobs[1], validation=part)


@every_head
def test_a_kept_head_comes_back_exactly(kind, blobs, tmp_path):
    head, _ = fitted(kind, (blobs[0], np.array(["cat", "dog", "eel", "fox"])[blobs[1]]))
    returned, recipe = load(save(head, tmp_path / "head", recipe={"backbone": "x"}))
    assert recipe == {"backbone": "x"}
    assert returned.get_params() == head.get_params()
    assert returned.kind == kind
    np.testing.assert_array_equal(returned.logits(blobs[0]), head.logits(blobs[0]))
    np.testing.assert_array_equal(returned.predict(blobs[0]), head.predict(blobs[0]))
    with pytest.raises(InvalidInputError, match="must be 20 wide"):
        returned.predict(np.zeros((1, 3)))


@every_head
def test_a_damaged_sidecar_is_refused(kind, blobs, tmp_path):
    folder = save(unfitted(kind).fit(*blobs), tmp_path / "head", recipe={})
    text = (folder / SIDECAR_NAME).read_text()
    for broken in (text[:-20], text.replace(f'"{kind}"', '"knm"'), text.replace('"width": 20', '"width": 21'), "[]"):
        (folder / SIDECAR_NAME).write_text(broken)
        with pytest.raises(CorruptFileError, match=r"head\.json"):
            load(folder)


@every_head
def test_scikit_learn_s_own_estimator_checks(kind):
    skipped = {"check_array_api_input", "check_classifier_data_not_an_array", "check_fit_score_takes_y"}
    for estimator, check in estimator_checks_generator(unfitted(kind)):
        if check.func.__name__ not in skipped:
            with np.errstate(invalid="ignore"):
                check(estimator)


def test_many_classes_for_few_rows_raise_no_warning_of_scikit_learn(recwarn):
    labels = np.arange(12) // 2
    head_class("centroid")().fit(np.eye(12), labels.tolist())
    assert not recwarn.list
