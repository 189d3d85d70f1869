"""What the history of a training decides: its best epoch, its end, and when the rate falls."""

import pytest

from finetune.training import history
from tests.finetune.training.trained import row


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first():
    assert history.best_epoch([]) == 0
    assert history.best_epoch([row(1, 0.5), row(2, 0.7), row(3, 0.6)]) == 2
    assert history.best_epoch([row(1, 0.5, 2.0), row(2, 0.5, 1.0), row(3, 0.5, 1.0)]) == 2


def test_plateau_divides_the_rate_after_five_epochs_without_a_lower_loss():
    losses = [3.0, 2.0, *[2.0] * 4]
    rows = [row(number, 0.5, loss) for number, loss in enumerate(losses, 1)]
    assert history.plateau_factor(rows) == 1.0
    assert history.plateau_factor([*rows, row(7, 0.5, 2.5)]) == pytest.approx(0.1)
    assert history.plateau_factor([*rows, row(7, 0.5, 1.5)]) == 1.0
    assert history.plateau_factor([row(number, 0.5, 2.0) for number in range(1, 12)]) == pytest.approx(0.01)


def test_as_high_an_accuracy_at_a_lower_loss_is_better_and_patience_begins_anew():
    rows = [
        {"epoch": epoch, "validation_accuracy": accuracy, "validation_loss": loss}
        for epoch, accuracy, loss in ((1, 0.9, 0.5), (2, 0.9, 0.4), (3, 0.9, 0.4), (4, 0.8, 0.1))
    ]
    assert [history.best_epoch(rows[:count]) for count in (1, 2, 3, 4)] == [1, 2, 2, 2]
    assert [history.is_over(rows[:count], epochs=9, patience=2) for count in (1, 2, 3, 4)] == [False] * 3 + [True]


def test_another_criterion_has_another_best_epoch():
    rows = [
        {"epoch": 1, "validation_accuracy": 0.9, "validation_loss": 0.5, "validation_macro_f1": 0.3},
        {"epoch": 2, "validation_accuracy": 0.8, "validation_loss": 0.4, "validation_macro_f1": 0.3},
        {"epoch": 3, "validation_accuracy": 0.7, "validation_loss": 0.6, "validation_macro_f1": 0.4},
    ]
    found = {name: history.best_epoch(rows, name) for name in ("accuracy", "log_loss", "macro_f1")}
    assert found == {"accuracy": 1, "log_loss": 2, "macro_f1": 3}
    assert history.best_epoch(rows[:2], "macro_f1") == 2
    assert history.is_over(rows, epochs=9, patience=2) is True
    assert history.is_over(rows, epochs=9, patience=2, criterion="macro_f1") is False


def test_the_help_of_patience_says_what_is_better(pipeline):
    words = " ".join(pipeline("train", "--help").out.split())
    assert "without a better one, by the criterion, then by the validation loss" in words
