"""`pipelines.report.curves`: one run as a picture, read as SVG."""

from pathlib import Path
from typing import Any

from pipelines.report import curves


def record(**parts: Any) -> dict[str, Any]:
    """A record with as much as a picture needs."""
    chosen = {"learning_rate": 0.01, "weight_decay": 0.1, "stop_epoch": 2}
    return {"name": "mlp on a", "curves": {}, "chosen": chosen, "choice": None, "test": {"accuracy": 0.5}, **parts}


def drawn(folder: Path, one: dict[str, Any]) -> str:
    """The SVG of a record."""
    curves.write(folder / "run.svg", one)
    return (folder / "run.svg").read_text()


def candidate(**options: Any) -> dict[str, Any]:
    """A row of a search's table."""
    return {"weight_decay": 0.1, "stop_epoch": 2, "epochs_run": 3, "log_loss": 0.5, "accuracy": 0.8, **options}


def test_candidates_that_differ_in_more_than_the_axis_have_lines_of_their_own(tmp_path: Path) -> None:
    table = [
        candidate(learning_rate=0.01),
        candidate(learning_rate=0.02),
        candidate(learning_rate=0.01, copies=4, stop_epoch=7),
    ]
    svg = drawn(tmp_path, record(choice={"table": table}))
    assert "copies 1" in svg
    assert "copies 4" in svg
    assert "stop epoch" not in svg
    assert "weight decay" not in svg


def test_a_search_over_one_number_needs_no_legend(tmp_path: Path) -> None:
    svg = drawn(tmp_path, record(choice={"table": [candidate(learning_rate=rate) for rate in (0.01, 0.02)]}))
    assert "learning rate" in svg
    assert "copies" not in svg


def test_over_fitting_is_shaded_and_only_then(tmp_path: Path) -> None:
    fits = {"training_loss": [1.0, 0.6, 0.4], "validation_loss": [1.0, 0.7, 0.6]}
    over = {"training_loss": [1.0, 0.6, 0.1], "validation_loss": [1.0, 0.7, 1.4]}
    assert "kept: 2" in drawn(tmp_path, record(curves=fits))
    shades = [drawn(tmp_path, record(curves=one)).count('opacity="0.12"') for one in (fits, over)]
    assert shades == [0, 1]
