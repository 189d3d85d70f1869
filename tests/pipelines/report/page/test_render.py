"""The page and the files of its figures."""

import re
from pathlib import Path

import pytest
import vl_convert

from pipelines.report.build import ReportRequest, build
from pipelines.report.page.text import slugs
from pipelines.workspace import stored
from tests.pipelines.report.html import Page

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "\"><img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=1</script>",
    "{{ 7 * 7 }} {% raw %}",
    "日本語 العربية \u202emirrored 🦕",
    "n" * 300,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(workspace, make, name, tmp_path):
    classes = [f"{index}{name}" for index in range(10)]
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.8, architecture=name, class_names=classes))
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9, architecture=f"head {name}"))
    make.search(workspace, "s")
    result = stored.checked((workspace / "searches" / "s" / "result.json").read_bytes())
    result["name"], result["importance"][name], result["importance_spread"][name] = name, 0.5, [0.4, 0.6]
    stored.write(workspace / "searches" / "s" / "result.json", result)
    build(workspace, ReportRequest(tmp_path / "page.html", title=name))
    page = Page(tmp_path / "page.html")
    assert name in "".join(page.text)
    assert [tag for tag, _ in page.elements].count("script") == 5
    assert not any(attribute.startswith("on") for _, attributes in page.elements for attribute in attributes)
    assert page.data("charts")


def test_figures_are_written_as_svg_and_png(pipeline, workspace, make, tmp_path):
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.8))
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    ended = pipeline("report", "--figures", tmp_path / "figures", "--json")
    files = [Path(path) for path in ended.json["figures"]]
    assert {path.suffix for path in files} == {".svg", ".png"}
    assert len(files) == 2 * len(Page(Path(ended.json["path"])).data("charts"))
    svg = (tmp_path / "figures" / "accuracy-on-digits.svg").read_text()
    assert "Accuracy on digits" in svg
    assert "logistic on resnet50" in svg
    assert {"confusion-matrix-resnet20-from-scratch", "confusion-matrix-logistic-on-resnet50"} <= {
        path.stem for path in files
    }
    assert not any(re.search(r"[0-9a-f]{12}|[A-Z_ .]", path.stem) for path in files)
    index = Page(tmp_path / "figures" / "index.html")
    shown = [attributes["src"] for tag, attributes in index.elements if tag == "img"]
    assert shown == [path.name for path in files if path.suffix == ".svg"]
    captions = [chart["description"] for chart in Page(Path(ended.json["path"])).data("charts").values()]
    text = "".join(index.text)
    assert all(caption.partition(". ")[2] in text for caption in captions)
    assert all(path.read_bytes().startswith(b"\x89PNG" if path.suffix == ".png" else b"<svg") for path in files)


def test_file_names_of_figures_are_readable_distinct_and_short():
    names = slugs(["Accuracy on CIFAR-10", "accuracy: on cifar_10!", "日本語 …", "///", "x" * 400, "é" * 400])
    assert names[:4] == ["accuracy-on-cifar-10", "accuracy-on-cifar-10-2", "日本語", "figure"]
    assert all(len(f"{name}-2.svg".encode()) < 143 for name in names)  # what encrypted file systems still take


def test_a_figure_that_cannot_be_drawn_is_named_and_the_others_are_drawn(pipeline, tour, tmp_path, monkeypatch):
    def refusing(spec, **options):
        if "Confidence" in spec["title"]["text"][0]:
            raise ValueError("Vega-Lite to SVG conversion failed:\nError: no such operator\n    at l (line 7)")
        return "<svg/>"

    monkeypatch.setattr(vl_convert, "vegalite_to_svg", refusing)
    monkeypatch.setattr(vl_convert, "svg_to_png", lambda svg, **options: b"png")
    ended = pipeline("report", "--figures", tmp_path / "figures", "--json")
    assert ended.status == 0, ended.err
    left_out = [one for one in ended.json["problems"] if one.startswith("figure ")]
    assert left_out == [
        "figure confidence-on-digits is left out, for it cannot be drawn: "
        "Vega-Lite to SVG conversion failed: Error: no such operator"
    ]
    charts = Page(Path(ended.json["path"])).data("charts")
    assert len(ended.json["figures"]) == 2 * (len(charts) - 1)
