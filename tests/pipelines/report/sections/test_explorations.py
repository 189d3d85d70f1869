"""Ablations and range tests on the page."""

from msgspec.structs import replace

from pipelines.report.sections import explorations
from pipelines.report.study.study import gather
from pipelines.workspace import stored
from tests.pipelines.workspace.test_explorations import ABLATION, RANGE_TEST, ROW


def test_a_workspace_without_runs_reports_its_ablation_and_its_range_test(pipeline, workspace, tmp_path):
    rows = [ROW, replace(ROW, name="mixup <b>", difference=0.01, interval=(-0.02, 0.04), p_value=0.5)]
    stored.write(workspace / "ablations" / "a.json", replace(ABLATION, rows=rows, failures=["epochs 9: it diverged"]))
    stored.write(workspace / "range-tests" / "r.json", RANGE_TEST)
    ended = pipeline("report", "--output", tmp_path / "r.html")
    assert ended.status == 0, ended.err
    page = (tmp_path / "r.html").read_text()
    assert "no difference shown" in page
    assert "epochs 9: it diverged" in page
    assert "mixup &lt;b&gt;" in page
    assert "mixup <b>" not in page.split("<script")[0]
    section = explorations.ablations(gather(workspace, None))
    figure, table = section.blocks
    assert [one["verdict"] for one in figure.chart["layer"][1]["data"]["values"]] == ["no difference shown", "worse"]
    assert [row[1].text for row in table.rows] == ["75.00", "75.00"]
    assert "validation accuracy 80.00 %" in figure.caption
    (figure,) = explorations.range_tests(gather(workspace, None)).blocks
    assert "resnet8 from scratch on digits" in figure.caption
