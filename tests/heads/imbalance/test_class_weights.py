"""Class weights: scikit-learn's own fits as the reference, and what every head does with them."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from extract.errors import InvalidInputError
from heads.imbalance.class_weights import RowWeights, class_weights
from heads.kernel.ridge import Factors, RidgeHead
from heads.logistic.head import LogisticHead
from heads.neural.head import NeuralHead
from heads.protocol import fit_head

COUNTS = (1000, 300, 100, 30, 10)  # 1:100
GIVEN = {0: 1.0, 1: 2.0, 2: 5.0, 3: 20.0, 4: 100.0}


@pytest.fixture(scope="module")
def uneven():
    """Features [1440, 20] and labels of 5 classes, the largest a hundred times the smallest, and standardized ones."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(5, 20)) * 0.8
    features = np.concatenate([rng.normal(size=(count, 20)) + centers[k] for k, count in enumerate(COUNTS)])
    return features, np.repeat(np.arange(5), COUNTS), StandardScaler().fit_transform(features)


def test_balanced_is_scikit_learns_and_a_class_that_is_not_named_has_weight_one():
    targets = np.repeat([0, 1, 2], (6, 3, 1))
    found = class_weights("balanced", ["a", "b", "c"], targets)
    assert found.tolist() == pytest.approx(compute_class_weight("balanced", classes=np.arange(3), y=targets))
    assert class_weights({"b": 4}, ["a", "b", "c"], targets).tolist() == [1, 4, 1]
    assert class_weights("none", ["a", "b", "c"], targets) is None


@pytest.mark.parametrize("given", ["balanced", GIVEN])
@pytest.mark.parametrize("C", [1e-3, 1.0])
def test_the_logistic_head_is_scikit_learns_fit_with_class_weight(uneven, given, C):
    features, labels, standard = uneven
    weights = (compute_class_weight(given, classes=np.arange(5), y=labels))[labels]
    theirs = LogisticRegression(C=C, class_weight=given, tol=1e-10, max_iter=20_000).fit(standard, labels)

    def objective(coefficients, intercept):
        logits = standard @ coefficients + intercept
        losses = logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]
        return np.average(losses, weights=weights) + (coefficients**2).sum() / (2 * C * weights.sum())

    head = LogisticHead(C, class_weights=given).fit(features, labels)
    ours = head.weights_ * features.std(0)[:, None], head.bias_ + features.mean(0) @ head.weights_
    assert head.converged_
    assert objective(*ours) <= objective(theirs.coef_.T, theirs.intercept_) + 1e-8
    assert np.abs(head.predict_proba(features) - theirs.predict_proba(standard)).max() < 1e-4


def test_two_weighted_classes_are_scikit_learns_too(uneven):
    features, labels, standard = uneven
    two = labels == 0
    head = LogisticHead(0.1, class_weights="balanced").fit(features, two)
    theirs = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=20_000).fit(standard, two)
    assert np.abs(head.predict_proba(features) - theirs.predict_proba(standard)).max() < 1e-4


def test_of_very_many_rows_a_sample_gives_the_hessian_and_the_fit_still_ends_at_the_minimum():
    rng = np.random.default_rng(1)
    labels = np.repeat(np.arange(3), (47_000, 4_000, 400))
    features = rng.normal(size=(len(labels), 40)).astype(np.float32) + labels[:, None] * 0.2
    head = LogisticHead(0.01, class_weights="balanced").fit(features, labels)
    assert head.converged_
    assert head.gradient_norm_ < 1e-6
    assert head.n_iter_ < 20


@pytest.mark.parametrize("given", ["balanced", GIVEN])
def test_the_ridge_head_is_ridge_classifier_and_its_left_out_scores_are_those_of_refits(uneven, given):
    features, labels, standard = uneven
    head = RidgeHead(50.0, temperature=1.0, class_weights=given).fit(features, labels)
    theirs = RidgeClassifier(alpha=50.0, class_weight=given).fit(standard, labels)
    assert head.logits(features) == pytest.approx(theirs.decision_function(standard), abs=1e-5)
    each, targets = compute_class_weight(given, classes=np.arange(5), y=labels), torch.from_numpy(labels)
    weights = RowWeights.of(torch.from_numpy(each), targets)
    left_out = Factors.of(torch.from_numpy(features), targets, n_classes=5, weights=weights).left_out_scores(50.0)
    for row in (0, 1300, 1435):
        kept = np.arange(len(labels)) != row
        signs = 2 * np.eye(5)[labels] - 1
        refit = Ridge(alpha=50.0).fit(standard[kept], signs[kept], sample_weight=each[labels[kept]])
        assert left_out[row].numpy() == pytest.approx(refit.predict(standard[row : row + 1])[0], abs=1e-8)


def test_whole_numbers_as_weights_of_a_network_are_repeated_rows():
    """One step of SGD on all rows: the gradient of a row with weight 3 is that of three such rows."""
    rng = np.random.default_rng(2)
    features, labels = rng.normal(size=(40, 6)).astype(np.float32), np.repeat([0, 1], (30, 10))
    repeats = np.where(labels == 1, 3, 1)
    # a fit standardizes by its rows, so that the rows are whitened as the repeated ones would be
    common = {"learning_rate": 0.1, "weight_decay": 0.0, "epochs": 3, "optimizer": "sgd", "batch_size": 60}
    order = rng.permutation(40)
    weighted = NeuralHead((), class_weights={1: 3.0}, **common).fit(features[order], labels[order])
    mean, scale = weighted.mean_, weighted.scale_
    standard = torch.from_numpy(((features - mean) / scale).astype(np.float32)).repeat_interleave(
        torch.from_numpy(repeats), 0
    )
    targets = torch.from_numpy(np.repeat(labels, repeats))
    layer = torch.nn.Linear(6, 2)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, nesterov=False)
    for factor in (1.0, 0.75, 0.25):  # a cosine over three epochs of one step
        optimizer.param_groups[0]["lr"] = 0.1 * factor
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(standard), targets).backward()
        optimizer.step()
    with torch.no_grad():
        expected = layer(torch.from_numpy(((features - mean) / scale).astype(np.float32))).numpy()
    assert weighted.logits(features) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("logistic", {"c_grid": [1e-3, 1e-1]}),
        ("ridge", {"alpha_grid": [10.0, 100.0]}),
        ("linear", {"learning_rates": [3e-2], "weight_decays": [0.01], "epochs": 6}),
        ("mlp", {"learning_rates": [1e-2], "sizes": [8], "epochs": 4, "copies": 1}),
    ],
)
def test_every_head_with_weights_recognizes_more_of_the_rare_classes(uneven, kind, options):
    features, labels, _ = uneven
    recalls = {}
    for given in ("none", "balanced"):
        head, choice = fit_head(
            kind,
            {**options, "class_weights": given},
            features=features,
            labels=labels,
            criterion="balanced_accuracy",
            validation=0.2,
        )
        recalls[given] = np.mean([(head.predict(features)[labels == k] == k).mean() for k in (3, 4)])
        best = max(row["balanced_accuracy"] for row in choice.table)
        assert choice.validation.balanced_accuracy == pytest.approx(best)
    assert recalls["balanced"] > recalls["none"] + 0.05


def test_the_log_loss_that_chooses_is_weighted_as_the_loss_that_trains(uneven):
    """Where the rare class cannot be learned unless it counts, the weighted loss does not choose the guess."""
    features, labels, _ = uneven
    choices = {
        given: fit_head(
            "logistic",
            {"c_grid": [1e-6, 1e-1], "class_weights": given},
            features=features,
            labels=labels,
            validation=0.2,
        )[1]
        for given in ("none", "balanced")
    }
    losses = {given: [row["log_loss"] for row in choice.table] for given, choice in choices.items()}
    assert losses["balanced"][0] == pytest.approx(np.log(5), abs=0.02)  # a guess, every class alike
    assert choices["balanced"].options["C"] == 1e-1


@pytest.mark.parametrize("given", ["heavy", {"x": 1.0}, {0: 0.0}, {0: float("nan")}, 3])
def test_weights_that_cannot_be_are_refused(given):
    with pytest.raises(InvalidInputError, match="class-weights must be"):
        LogisticHead(class_weights=given).fit(np.eye(4), [0, 1, 0, 1])
