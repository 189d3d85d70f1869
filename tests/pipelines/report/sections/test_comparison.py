"""The table of all runs."""

import re
from pathlib import Path

from pipelines.report.build import ReportRequest, build
from tests.pipelines.report.html import Page


def test_subset_size_and_weights_stand_beside_every_number(pipeline, workspace, make):
    for backbone in ("resnet18", "resnet50"):
        record, table = make.head("logistic", backbone, accuracy=0.9, weights="untrained")
        make.put(workspace, ({**record, "dataset": {**record["dataset"], "subset": 400}}, table))
    page = Page(Path(pipeline("report", "--json").json["path"]))
    data = "digits, 400 of 1,437 training and 360 test images, 32\u00a0px, untrained weights"
    assert f"2 runs on {data}." in "".join(page.text)
    figures = [attributes for tag, attributes in page.elements if "data-chart" in attributes]
    named = [attributes for tag, attributes in page.elements if attributes.get("class") == "data"]
    assert len(figures) == len(named) == "".join(page.text).count(data) - 3 > 5


def test_the_table_has_name_accuracy_and_total_first_and_no_digest(tour, make, tmp_path):
    make.search(tour, "resnet20-scratch-digits-dd43debd25d6")
    build(tour, ReportRequest(tmp_path / "page.html"))
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    headings = re.findall(r"<th scope[^>]*><button[^>]*>([^<]*)", text)
    first = ["#", "Name", "Accuracy, %", "95 % interval", "Seeds ±", "Mode", "Total", "Parameters"]
    assert headings[: len(first)] == first
    assert "3.39 M" in text
    assert "resnet20-scratch-digits: best so far" in text
    assert "dd43debd25d6" not in text
