"""Scores of a run, head or network, as lines of an answer."""

from extract.runtime.formats import percent, span
from heads.registry import is_own_neighbor
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, table

UNEVEN = 1.5  # times as many test images in the largest class as in the smallest, from which classes are told apart
MOST_CLASSES = 25


def _rate(name: str) -> TableColumn[Values]:
    return TableColumn(name.replace("f1", "F1"), lambda one: percent(one[name], 1) or "none", right=True)


def _interval(name: str, drop: int) -> TableColumn[Values]:
    def cell(one: Values) -> str:
        low, high = one[f"{name}_interval"] or (None, None)
        return span(low, high, 1)

    return TableColumn("95 % interval", cell, drop=drop)


CLASSES: list[TableColumn[Values]] = [
    TableColumn("class", lambda one: one["class"], shrinks=True),
    TableColumn("test images", lambda one: str(one["rows"]), right=True),
    *(_rate("recall"), _interval("recall", 3)),
    *(_rate("precision"), _interval("precision", 2)),
    *(_rate("f1"), _interval("f1", 1)),
]


def scores(answer: Values, *, views: str) -> dict[str, str | None]:
    """Accuracies and calibration by label; `views` says what was averaged where test images were seen in several."""
    validation = answer["validation_accuracy"]
    interval = f"95 % interval {span(*answer['test_interval'])}, {answer['test_rows']} images"
    averaged, clean = answer["test_tta_accuracy"], answer["without_near_copies_accuracy"]
    clean_rows = answer["without_near_copies_rows"]
    return {
        "training accuracy": _training(answer),
        "validation accuracy": "no validation images" if validation is None else percent(validation),
        "test accuracy": f"{percent(answer['test_accuracy'])}  ({interval})",
        "without near-copies": None if clean is None else f"{percent(clean)}  ({clean_rows:,} images)",
        **_balanced(answer),
        "averaged views": None if averaged is None else f"{percent(averaged)}  ({views})",
        **_calibration(answer),
    }


def by_class(answer: Values) -> list[str]:
    """A table of the classes' own test scores, where they have very different numbers of test images."""
    found = answer["by_class"] if _is_uneven(answer) else []
    return ["", *table(CLASSES, found)] if 0 < len(found) <= MOST_CLASSES else []


def _balanced(answer: Values) -> dict[str, str]:
    if not _is_uneven(answer):
        return {}
    labels = {"balanced accuracy": "test_balanced_accuracy", "macro F1": "test_macro_f1"}
    return {
        label: f"{percent(answer[name])}  (95 % interval {span(*answer[f'{name}_interval'])})"
        for label, name in labels.items()
    }


def _is_uneven(answer: Values) -> bool:
    counts = [one["rows"] for one in answer.get("by_class") or ()]
    return bool(counts) and max(counts) >= UNEVEN * min(counts)


def _training(answer: Values) -> str:
    """Training accuracy in evaluation mode, and its gap to validation accuracy."""
    from pipelines.report.study.diagnosis import points

    training, validation = answer["training_accuracy"], answer["validation_accuracy"]
    gap = "" if validation is None else f"; gap {points(training - validation)} points"
    if is_own_neighbor(answer.get("head")):
        gap = "; each image is its own nearest neighbor"
    return f"{percent(training)}  (evaluation mode{gap})"


def _calibration(answer: Values) -> dict[str, str]:
    """Log loss and calibration error of the test images as the logits are, and at the temperature where it is not 1.

    An error that perfect calibration may show on as many images is said to be indistinguishable from it.
    """
    temperature = answer["temperature"]
    parts = {"log loss": ""} | ({} if temperature in (None, 1.0) else {f"log loss (T = {temperature:.3g})": "scaled_"})
    found = {}
    for label, prefix in parts.items():
        loss, error, limit = (answer[prefix + name] for name in ("log_loss", "calibration_error", "calibration_limit"))
        verdict = "indistinguishable from none, below" if error <= limit else "of perfect calibration up to"
        found[label] = f"{loss:.4f}   calibration error {percent(error)} ({verdict} {percent(limit)})"
    return found
