"""`pipeline report` as a user meets it, and the page as a parser sees it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import altair
import vl_convert

from pipelines.report.build import ReportRequest, build
from tests.pipelines.report.html import Page


def test_the_page_holds_every_mode_and_section_and_loads_nothing(pipeline, tour):
    ended = pipeline("report", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["runs"] == 7
    page = Page(Path(ended.json["path"]))
    sections = ["summary", "comparison", "trade-offs", "paired-tests", "costs", "learning", "search", "classes"]
    sections += ["confusion", "calibration", "misclassified", "architectures", "provenance", "problems"]
    assert page.ids("section") == sections
    text = "".join(page.text)
    assert all(mode in text for mode in ("frozen", "fine-tuned", "from scratch", "out of memory"))
    loading = [a for _, a in page.elements for name in ("src", "href") if re.match(r"[a-z]+:|//", a.get(name) or "")]
    assert all(re.match(r"data:", a.get("src") or a.get("href") or "") for a in loading)
    assert sum("vegaEmbed" in script and len(script) > 300_000 for script in page.scripts) == 1


def test_an_empty_workspace_is_one_sentence(pipeline):
    ended = pipeline("report")
    assert ended.status == 2
    assert "workspace must hold runs to report" in ended.err
    assert ended.err.count("error: ") == 1


def test_what_there_is_nothing_of_has_no_section(pipeline, workspace, make):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    page = Page(Path(pipeline("report", "--json").json["path"]))
    assert page.ids("section") == [
        "summary",
        "comparison",
        "costs",
        "learning",
        "classes",
        "confusion",
        "calibration",
        "misclassified",
        "provenance",
    ]


def test_broken_records_are_problems_and_break_nothing(pipeline, tour, make):
    run = make.put(tour, make.head("mlp", "resnet50", accuracy=0.9))
    for name, content in (("aaaaaaaaaaaa", b"{"), ("bbbbbbbbbbbb", b"\xff\xfe"), ("cccccccccccc", b'{"schema": 99}')):
        (tour / "runs" / name).mkdir()
        (tour / "runs" / name / "record.json").write_bytes(content)
    (tour / "runs" / run / "test.safetensors").write_bytes(b"short")
    (tour / "searches" / "torn").mkdir()
    (tour / "searches" / "torn" / "result.json").write_bytes(b'{"trials": 3}')
    ended = pipeline("report", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["runs"] == 8
    problems = " ".join(ended.json["problems"])
    assert all(name in problems for name in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc", run, "torn"))
    assert "aaaaaaaaaaaa" in "".join(Page(Path(ended.json["path"])).text)


def test_only_broken_records_still_make_a_page(pipeline, workspace):
    (workspace / "runs" / "aaaaaaaaaaaa").mkdir(parents=True)
    (workspace / "runs" / "aaaaaaaaaaaa" / "record.json").write_text("{")
    ended = pipeline("report", "--json")
    assert ended.status == 0
    assert ended.json["runs"] == 0
    assert Page(Path(ended.json["path"])).ids("section") == ["problems"]


def test_every_chart_follows_the_schema_of_vega_lite(tour, tmp_path):
    build(tour, ReportRequest(tmp_path / "page.html"))
    charts = Page(tmp_path / "page.html").data("charts")
    assert len(charts) >= 15
    kinds = {re.sub(r"-[0-9a-f]{12}$", "", name): spec for name, spec in charts.items()}
    for name, spec in kinds.items():
        altair.Chart.from_dict(spec, validate=True)
        assert vl_convert.vegalite_to_vega({**spec, "width": 300}, vl_version="6.4"), name


def test_two_hundred_records_make_one_page_of_moderate_size(workspace, make, tmp_path):
    for index in range(100):
        make.put(
            workspace, make.network(f"resnet{index}", "scratch", accuracy=0.6 + index / 400, parameters=1000 + index)
        )
        make.put(workspace, make.head("logistic", f"backbone{index}", accuracy=0.7 + index / 400, flops=1000 + index))
    built = build(workspace, ReportRequest(tmp_path / "page.html"))
    assert built.run_count == 200
    assert (tmp_path / "page.html").stat().st_size < 10e6


def test_a_report_of_heads_imports_no_torch(workspace, make):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    words = ["report", "--workspace", str(workspace), "--json"]
    code = f"import sys; from pipelines.cli import main; main({words!r})"
    code += "\nprint(sorted(set(sys.modules) & {'torch', 'timm'}), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.strip().endswith("[]")
    assert json.loads(ended.stdout)["runs"] == 1


def test_what_the_options_name_must_be_there(pipeline, workspace, make, tmp_path):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    for words, sentence in (
        (("--images", "nowhere"), "images must be a folder of class folders; got 'nowhere'. Check the path."),
        (("--output", "page.pdf"), "report must be a file that ends in .html, .htm; got 'page.pdf'. Rename it."),
    ):
        ended = pipeline("report", *words)
        assert (ended.status, sentence in ended.err) == (2, True), ended.err
    assert f"images '{tmp_path}': no run of the report was made on them" in pipeline("report", "--images", tmp_path).err
