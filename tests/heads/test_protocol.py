"""The protocol: what is the validation split, what is chosen, and that test data have no way in."""

import inspect
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import heads
from extract.errors import InvalidInputError
from heads.logistic.head import LogisticHead
from heads.logistic.space import LogisticSpace
from heads.metrics import scores
from heads.protocol import as_views, choose, fit_head, refit
from heads.registry import space
from heads.rows import validation_split

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


@given(st.lists(st.integers(0, 5), min_size=12, max_size=80), st.floats(0.05, 0.5), st.integers(0, 1000))
def test_a_validation_split_is_a_stratified_partition(labels, fraction, seed):
    labels = np.array(labels)
    counts = np.bincount(labels)
    wanted = max(1, round(fraction * len(labels)))
    if (counts[counts > 0] - 1).sum() < wanted:
        with pytest.raises(InvalidInputError, match="a row to train on"):
            validation_split(labels, fraction, seed=seed)
        return
    keep, hold = validation_split(labels, fraction, seed=seed)
    np.testing.assert_array_equal(np.sort(np.r_[keep, hold]), np.arange(len(labels)))
    assert len(hold) == wanted
    assert set(labels[keep]) == set(labels)
    shares = np.bincount(labels[hold], minlength=len(counts)) - counts * wanted / len(labels)
    if counts[counts > 0].min() > len(labels) * 0.1:  # no class so small that others must step in
        assert np.abs(shares).max() <= 1.5
    again = validation_split(labels, fraction, seed=seed)
    np.testing.assert_array_equal(again[1], hold)


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 8)), min_size=8, max_size=80),
    st.one_of(st.floats(0.02, 0.6), st.integers(1, 7)),
    st.integers(0, 1000),
)
def test_no_group_is_in_training_and_validation_whatever_the_sizes(rows, fraction, seed):
    labels, groups = np.array(rows).T
    try:
        keep, hold = validation_split(labels, fraction, seed=seed, groups=groups)
    except InvalidInputError as error:
        assert any(part in str(error) for part in ("a row to train on", "images of another group"))  # noqa: PT017
        return
    np.testing.assert_array_equal(np.sort(np.r_[keep, hold]), np.arange(len(labels)))
    assert len(hold)
    assert not set(groups[keep]) & set(groups[hold])
    assert set(labels[keep]) == set(labels)


def test_rows_of_one_object_do_not_vouch_for_one_another():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    features = generator.normal(size=(40, 12))[groups] + 0.01 * generator.normal(size=(400, 12))
    labels = generator.permutation(np.arange(40) % 2)[groups]  # an object's class cannot be known from other objects
    one = {"neighbors": [1]}
    known = choose(space("knn", one), features, labels, validation=0.2).validation
    unknown = choose(space("knn", one), features, labels, groups=groups, validation=0.2).validation
    assert known.accuracy == 1.0
    assert unknown.rows == 80
    assert unknown.accuracy < 0.8
    texts = np.array([f"object {group:02d}" for group in groups])
    head, choice = fit_head("knn", one, features=features, labels=labels, groups=texts, validation=0.2)
    assert choice.validation == unknown
    assert head.score(features, labels) == 1.0


def test_a_temperature_is_fitted_to_objects_that_the_head_does_not_know():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 8)
    features = generator.normal(size=(60, 40))[groups] + 0.01 * generator.normal(size=(480, 40))
    labels = generator.permutation(np.arange(60) % 2)[groups]
    given = {"options": {"alpha_grid": [1.0]}, "features": features, "labels": labels, "validation": None}
    sure, unsure = fit_head("ridge", **given)[0], fit_head("ridge", **given, groups=groups)[0]
    assert unsure.temperature_ > 3 * sure.temperature_


@pytest.mark.parametrize("groups", [[1, 2], np.zeros(600), np.zeros((600, 2), int)])
def test_groups_of_other_rows_are_refused(groups, blobs):
    with pytest.raises(InvalidInputError, match="groups must be 600 whole numbers or texts"):
        choose(space("centroid"), *blobs, groups=groups)


def test_a_count_none_and_another_seed():
    labels = np.repeat(np.arange(10), 20)
    assert [len(part) for part in validation_split(labels, 30)] == [170, 30]
    np.testing.assert_array_equal(np.bincount(labels[validation_split(labels, 30)[1]]), np.full(10, 3))
    assert [len(part) for part in validation_split(labels, None)] == [200, 0]
    assert not np.array_equal(validation_split(labels, 30)[1], validation_split(labels, 30, seed=1)[1])


@pytest.mark.parametrize("fraction", [0, 0.0, 1.0, -0.1, 200, True, "0.1", float("nan")])
def test_an_impossible_share_is_refused(fraction):
    with pytest.raises(InvalidInputError, match="validation must be"):
        validation_split(np.repeat([0, 1], 100), fraction)


def test_the_choice_has_the_least_validation_loss_of_an_honest_recount(blobs):
    features, labels = blobs
    choice = choose(LogisticSpace(c_grid=GRID), features, labels, validation=0.2, seed=5)
    keep, hold = validation_split(labels, 0.2, seed=5)
    losses = []
    for C in GRID:
        head = LogisticHead(C).fit(features[keep], labels[keep])
        losses.append(scores(head.logits(features[hold]), labels[hold]).log_loss)
    assert [row["C"] for row in choice.table] == list(GRID)
    np.testing.assert_allclose([row["log_loss"] for row in choice.table], losses, rtol=5e-3)
    assert choice.options["C"] == GRID[int(np.argmin(losses))]
    assert choice.validation is not None
    assert choice.validation.rows == choice.validation_rows == 120
    assert choice.training_rows == 480
    assert json.loads(json.dumps(choice.as_dict()))["kind"] == "logistic"


def test_one_image_far_from_all_others_does_not_choose_a_head_that_learned_nothing(blobs):
    """Its loss alone outweighs that of all the others, for every head that has learned anything."""
    features, labels = np.asarray(blobs[0], np.float64).copy(), blobs[1]
    keep, hold = validation_split(labels, 0.1, seed=0)
    features[hold[0]] *= -1e4
    heads = [LogisticHead(C).fit(features[keep], labels[keep]) for C in (1e-6, 0.1)]
    losses = [scores(head.logits(features[hold]), labels[hold]).log_loss for head in heads]
    assert losses[0] < losses[1]
    choice = choose(LogisticSpace(c_grid=(1e-6, 0.1)), features, labels, seed=0)
    assert choice.options["C"] == 0.1
    assert choice.temperature is not None
    assert choice.temperature < 10


def test_ties_go_to_the_stronger_regularization(rng):
    labels = np.tile([0, 1], 100)
    features = (10.0 * labels + 0.1 * rng.normal(size=200))[:, None]
    choice = choose(LogisticSpace(c_grid=(10.0, 0.1, 1.0)), features, labels, criterion="accuracy")
    assert {row["accuracy"] for row in choice.table} == {1.0}
    assert choice.options["C"] == 0.1


def test_refit_is_the_head_on_every_row(blobs):
    head, choice = fit_head("logistic", {"c_grid": list(GRID)}, features=blobs[0], labels=blobs[1])
    alone = LogisticHead(choice.options["C"]).fit(*blobs)
    np.testing.assert_array_equal(head.weights_, alone.weights_)
    assert choice.fit_facts["converged"] is True
    assert choice.fit_seconds > 0


def test_no_selecting_code_has_a_parameter_for_test_data():
    for function in (choose, refit, fit_head, LogisticSpace.candidates):
        assert not [name for name in inspect.signature(function).parameters if "test" in name]


def test_choosing_never_reads_past_the_training_rows(blobs):
    features, labels = blobs
    noise = np.random.default_rng(1).permutation(labels[400:])
    runs = []
    for tail in (labels[400:], noise):
        everything = np.concatenate([labels[:400], tail])
        head, choice = fit_head("logistic", {"c_grid": GRID}, features=features[:400], labels=everything[:400])
        runs.append((head.weights_, choice.options, choice.validation, choice.table))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    assert runs[0][1:] == runs[1][1:]


def test_views_share_their_image_s_side(blobs):
    features, labels = blobs
    views = np.stack([features, features[:, ::-1]])
    choice = choose(LogisticSpace(c_grid=(0.01,)), views, labels, seed=2)
    keep, hold = validation_split(labels, 0.1, seed=2)
    both = np.concatenate([features[keep], features[keep][:, ::-1]])
    head = LogisticHead(0.01).fit(both, np.tile(labels[keep], 2))
    expected = scores(head.logits(features[hold]), labels[hold])
    assert choice.validation.accuracy == expected.accuracy
    assert choice.validation.log_loss == pytest.approx(expected.log_loss, rel=1e-3)
    assert choice.validation_rows == 60
    refitted, _ = refit(LogisticSpace(c_grid=(0.01,)), choice, views, labels)
    assert refitted.n_features_in_ == 20


def test_validation_none_takes_the_given_options(blobs):
    head, choice = fit_head("logistic", {"C": 0.01}, features=blobs[0], labels=blobs[1], validation=None)
    assert choice.criterion == "given"
    assert choice.validation is None
    assert choice.table == ()
    assert head.C == 0.01
    with pytest.raises(InvalidInputError, match="one value without validation images"):
        fit_head("logistic", features=blobs[0], labels=blobs[1], validation=None)


def test_progress_counts_the_candidates(blobs):
    seen = []
    choose(LogisticSpace(c_grid=GRID), *blobs, progress=lambda *words: seen.append(words))
    assert seen == [(k, 6, "candidates") for k in range(1, 7)]


def test_float16_storage_changes_accuracy_by_at_most_a_tenth_of_a_point(digits):
    features, labels = digits[0] / 16 + np.random.default_rng(0).normal(size=digits[0].shape) * 0.01, digits[1]
    head32, _ = fit_head(
        "logistic", {"c_grid": GRID}, features=features[:1000].astype(np.float32), labels=labels[:1000]
    )
    head16, _ = fit_head(
        "logistic", {"c_grid": GRID}, features=features[:1000].astype(np.float16), labels=labels[:1000]
    )
    gap = head32.score(features[1000:], labels[1000:]) - head16.score(features[1000:], labels[1000:])
    assert abs(gap) <= 0.00126  # one of 797 images, the step nearest to 0.1 point


def test_unknown_names_come_with_the_nearest(blobs):
    with pytest.raises(InvalidInputError, match="logistic"):
        space("logistc")
    with pytest.raises(InvalidInputError, match="c-grid"):
        space("logistic", {"cgrid": (1.0,)})
    assert "logistic" in heads.kinds()


@settings(max_examples=20)
@given(st.integers(0, 5))
def test_arrays_of_another_rank_are_refused(rank):
    array = np.zeros((2,) * rank)
    if rank in (2, 3):
        assert as_views(array).ndim == 3
    else:
        with pytest.raises(InvalidInputError, match=r"\[V, N, D\]"):
            as_views(array)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ridge", {"alpha": 10.0}), ("centroid", {"metrics": ["euclidean"], "shrinkages": [0.0]})],
)
def test_a_temperature_fitted_in_the_refit_does_not_see_a_row_through_its_other_view(kind, options):
    """With the mirror image of a left-out row still in the fit, its score would look better than a new image's."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(200, 60)), np.arange(200) % 3
    views = np.stack([features, features + 0.01 * rng.normal(size=features.shape)])
    fit = {"labels": labels, "validation": None}
    one, _ = fit_head(kind, options, features=features, **fit)
    two, choice = fit_head(kind, options, features=views, **fit)
    assert two.temperature_ == pytest.approx(one.temperature_)
    assert choice.options["temperature"] is None


def test_a_choice_is_json_even_where_a_candidate_diverged(blobs):
    options = {"learning_rates": [1e-2, 1e30], "epochs": 2}
    _, choice = fit_head("linear", options, features=blobs[0], labels=blobs[1])
    table = json.loads(json.dumps(choice.as_dict(), allow_nan=False))["table"]
    assert [row["log_loss"] is None for row in table] == [row["learning_rate"] == 1e30 for row in table]


@pytest.mark.parametrize(("classes", "images"), [(100, 5), (40, 5)])
def test_equal_remainders_fall_by_the_seed(classes, images):
    labels = np.repeat(np.arange(classes), images)
    chosen = [set(labels[validation_split(labels, 0.1, seed=seed)[1]].tolist()) for seed in range(20)]
    assert {len(one) for one in chosen} == {classes * images // 10}
    assert set().union(*chosen) == set(range(classes))


def test_without_equal_remainders_the_seed_decides_over_rows_alone():
    labels = np.repeat(np.arange(4), [100, 50, 30, 20])
    kept, held = validation_split(labels, 0.1, seed=3)
    generator = np.random.default_rng(3)
    wanted = [generator.permutation(np.flatnonzero(labels == k))[:n] for k, n in enumerate((10, 5, 3, 2))]
    assert held.tolist() == np.sort(np.concatenate(wanted)).tolist()
    assert len(kept) == 180


def test_one_image_a_class_leads_to_training_on_everything():
    with pytest.raises(InvalidInputError, match=r"got one image of each of 6 classes. Use --validation none"):
        validation_split(np.arange(6), 0.1)


def test_a_choice_by_a_seed_of_numpy_is_json(blobs):
    choice = fit_head("ridge", features=blobs[0], labels=blobs[1], seed=np.int64(3))[1]
    assert json.loads(json.dumps(choice.as_dict()))["seed"] == 3
