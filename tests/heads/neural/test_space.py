"""The grids that choose linear and multilayer heads."""

import pytest

from extract.errors import InvalidInputError
from heads.metrics import scores
from heads.neural.head import NeuralHead
from heads.neural.space import RECIPE
from heads.protocol import fit_head
from heads.registry import space
from heads.rows import validation_split


def test_the_ensemble_in_the_table_is_the_one_that_is_refitted(blobs):
    features, labels = blobs
    options = {"learning_rates": [1e-2], "sizes": [16], "epochs": 4, "copies": 3, "batch_size": 64}
    _, choice = fit_head("mlp", options, features=features, labels=labels, validation=0.2)
    keep, hold = validation_split(labels, 0.2)
    row = choice.table[-1]
    shared = {name: getattr(space("mlp", options), name) for name in RECIPE if name != "batch_size"}
    chosen = {name: row[name] for name in ("learning_rate", "weight_decay", "hidden", "stop_epoch", "batch_size")}
    head = NeuralHead(**shared, **chosen, copies=row["copies"]).fit(features[keep], labels[keep])
    scored = scores(head.logits(features[hold]), labels[hold])
    assert (row["log_loss"], row["accuracy"]) == pytest.approx((scored.log_loss, scored.accuracy), abs=1e-4)


def test_the_table_is_the_grid_and_the_choice_its_best(blobs):
    features, labels = blobs
    options = {
        "learning_rates": [1e-2, 1e-3],
        "weight_decays": [0.0, 0.1],
        "sizes": [8, [16, 8]],
        "epochs": 4,
        "copies": 2,
    }
    options["batch_size"] = 64
    head, choice = fit_head("mlp", options, features=features, labels=labels, validation=0.2, criterion="log_loss")
    assert len(choice.table) == 9
    assert [row.get("copies") for row in choice.table] == [None] * 8 + [2]
    assert choice.options["hidden"] in ((8,), (16, 8))
    assert min(row["log_loss"] for row in choice.table) == pytest.approx(choice.validation.log_loss, rel=1e-5)
    assert len(choice.curves["validation_loss"]) >= choice.options["stop_epoch"]
    assert head.n_iter_ == choice.options["stop_epoch"]
    keep, hold = validation_split(labels, 0.2)
    alone = NeuralHead(**{**head.get_params(), "stop_epoch": choice.options["stop_epoch"]})
    alone.fit(features[keep], labels[keep])
    assert scores(alone.logits(features[hold]), labels[hold]).log_loss == pytest.approx(
        choice.validation.log_loss, abs=1e-3
    )


def test_a_learning_rate_that_diverges_is_never_chosen(blobs):
    options = {"optimizer": "sgd", "learning_rates": [1e-2, 1e30], "weight_decays": [1e20], "epochs": 2, "sizes": [8]}
    options["batch_size"] = 64
    with pytest.raises(InvalidInputError, match="finite logits"):
        fit_head("mlp", options, features=blobs[0], labels=blobs[1])
    options["weight_decays"] = [0.0]
    _, choice = fit_head("mlp", options, features=blobs[0], labels=blobs[1])
    assert choice.options["learning_rate"] == 1e-2


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("linear", {"learning_rates": [0.0]}, "learning-rates must be"),
        ("linear", {"learning_rates": []}, "at least one value;"),
        ("linear", {"weight_decays": [-1.0]}, "weight-decays must be"),
        ("linear", {"epochs": 0}, "epochs must be"),
        ("linear", {"batch_size": 1.5}, "batch-size must be"),
        ("linear", {"patience": -1}, "patience must be"),
        ("linear", {"optimizer": "adamv"}, "adamw"),
        ("linear", {"schedule": "cosin"}, "cosine"),
        ("linear", {"momentum": 1.0}, "momentum must be"),
        ("linear", {"sizes": [3]}, "of the linear head"),
        ("mlp", {"copies": 0}, "copies must be"),
        ("mlp", {"input_dropout": 1.0}, "input-dropout must be"),
        ("mlp", {"dropout": 1.0}, "dropout must be"),
        ("mlp", {"mixup": -0.1}, "mixup must be"),
        ("linear", {"power": 0.0}, "power must be"),
        ("mlp", {"label_smoothing": -0.1}, "label-smoothing must be"),
        ("mlp", {"sizes": [0]}, "sizes must be"),
        ("mlp", {"sizes": [[]]}, "dropout must be 0 for a linear head"),
        ("mlp", {"sizes": []}, "at least one"),
    ],
)
def test_impossible_options_are_refused(kind, options, words):
    with pytest.raises(InvalidInputError, match=words):
        space(kind, options)
