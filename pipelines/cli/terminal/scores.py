"""Scores of a run, head or network, as lines of an answer."""

from extract.runtime.formats import percent, span
from heads.registry import is_own_neighbor
from pipelines.cli.terminal.reporter import Values


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
        "averaged views": None if averaged is None else f"{percent(averaged)}  ({views})",
        **_calibration(answer),
    }


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
