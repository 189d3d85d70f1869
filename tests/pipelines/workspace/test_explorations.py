"""What a workspace keeps of ablations and range tests, and how it is read again."""

import pytest
from msgspec.structs import replace

from pipelines.workspace import explorations, inventory, stored
from pipelines.workspace.explorations import AblationResult, AblationRow, RangeTestResult

ROW = AblationRow(
    name="crop 0", options={"crop": 0}, accuracies=[0.7, 0.8], seconds=1.0, difference=-0.05,
    interval=(-0.08, -0.02), p_value=0.01,
)  # fmt: skip
ABLATION = AblationResult(
    name="tiny", base="resnet8 scratch on digits", options={"epochs": 1}, dataset="digits", seeds=[0, 1],
    validation_rows=100, accuracies=[0.75, 0.85], rows=[ROW], failures=[], seconds=4.0, created="2026-01-02",
)  # fmt: skip
RANGE_TEST = RangeTestResult(
    name="resnet8 from scratch", network="resnet8", dataset="digits", recipe="short", suggested_learning_rate=0.1,
    recipe_learning_rate=0.2, rates=[0.01, 0.1, 1.0], losses=[2.3, 1.2, None], created="2026-01-02",
)  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.08, -0.02), "worse"),
        ((0.01, 0.05), "better"),
        ((-0.01, 0.05), "no difference shown"),
        ((0.0, 0.05), "no difference shown"),
    ],
)
def test_a_row_whose_interval_contains_zero_shows_no_difference(interval, verdict):
    assert replace(ROW, interval=interval).verdict == verdict
    assert (ROW.accuracy, ABLATION.accuracy) == (0.75, 0.8)


def test_what_was_written_is_read_oldest_first_and_what_is_damaged_is_told(tmp_path):
    for name, made in (("b", "2026-01-02"), ("a", "2026-01-03")):
        stored.write(tmp_path / "ablations" / f"{name}.json", replace(ABLATION, created=made))
        stored.write(tmp_path / "range-tests" / f"{name}.json", replace(RANGE_TEST, created=made))
    for first in (ABLATION, RANGE_TEST):
        found, problems = explorations.read_all(tmp_path, type(first))
        assert (found[0], found[1].created, problems) == (first, "2026-01-03", [])
    path = tmp_path / "ablations" / "a.json"
    path.write_text(path.read_text().replace('"worse"', "").replace("0.75", "0.99"))
    found, problems = explorations.read_all(tmp_path, AblationResult)
    assert found == [ABLATION]
    assert "result of an ablation must be intact" in problems[0]
    assert {one.kind for one in inventory.inventory(tmp_path)} == {inventory.SEARCHES}
