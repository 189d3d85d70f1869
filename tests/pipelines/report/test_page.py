"""`pipeline report` as a user meets it, and the page as a parser sees it."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import altair
import numpy as np
import pytest
import vl_convert
from PIL import Image

from extract.data import folder
from extract.data.digits import fingerprint
from extract.data.images import subset
from pipelines.report.build import ReportRequest, build
from pipelines.report.page.text import slugs
from pipelines.report.study.images import data_uri
from pipelines.training.scores import most_confident_mistakes
from pipelines.workspace import records, stored

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "\"><img src=x onerror='window.hacked=1'>",
    "</script><script>window.hacked=1</script>",
    "{{ 7 * 7 }} {% raw %}",
    "日本語 العربية \u202emirrored 🦕",
    "n" * 300,
]


class Page(HTMLParser):
    """Elements with their attributes, the visible text, and the scripts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.scripts and self.elements[-1][0] == "script" and self.lasttag == "script":
            self.scripts[-1] += data
        self.text.append(data)

    def data(self, name: str):
        """The JSON of the script with this id."""
        ids = [attributes.get("id") for tag, attributes in self.elements if tag == "script"]
        return json.loads(self.scripts[ids.index(name)])

    def ids(self, tag: str) -> list[str]:
        """The ids of all elements of a kind."""
        return [attributes["id"] for found, attributes in self.elements if found == tag and attributes.get("id")]


def test_the_page_holds_every_mode_and_section_and_loads_nothing(pipeline, tour):
    ended = pipeline("report", "--json")
    assert ended.status == 0, ended.err
    assert ended.json["runs"] == 7
    page = Page(Path(ended.json["path"]))
    sections = ["summary", "comparison", "trade-offs", "paired-tests", "costs", "learning", "search", "confusion"]
    sections += ["calibration", "misclassified", "architectures", "provenance", "problems"]
    assert page.ids("section") == sections
    text = "".join(page.text)
    assert all(mode in text for mode in ("frozen", "fine-tuned", "from scratch", "out of memory"))
    loading = [a for _, a in page.elements for name in ("src", "href") if re.match(r"[a-z]+:|//", a.get(name) or "")]
    assert all(re.match(r"data:", a.get("src") or a.get("href") or "") for a in loading)
    assert sum("vegaEmbed" in script and len(script) > 300_000 for script in page.scripts) == 1


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


def test_every_chart_follows_the_schema_of_vega_lite(tour, tmp_path):
    build(tour, ReportRequest(tmp_path / "page.html"))
    charts = Page(tmp_path / "page.html").data("charts")
    assert len(charts) >= 15
    kinds = {re.sub(r"-[0-9a-f]{12}$", "", name): spec for name, spec in charts.items()}
    for name, spec in kinds.items():
        altair.Chart.from_dict(spec, validate=True)
        assert vl_convert.vegalite_to_vega({**spec, "width": 300}, vl_version="6.4"), name


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


def test_two_hundred_records_take_under_thirty_seconds(workspace, make, tmp_path):
    for index in range(100):
        make.put(
            workspace, make.network(f"resnet{index}", "scratch", accuracy=0.6 + index / 400, parameters=1000 + index)
        )
        make.put(workspace, make.head("logistic", f"backbone{index}", accuracy=0.7 + index / 400, flops=1000 + index))
    start = time.perf_counter()
    built = build(workspace, ReportRequest(tmp_path / "page.html"))
    assert time.perf_counter() - start < 30
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


def test_the_gallery_shows_the_very_images_that_were_scored(pipeline, tmp_path, rng):
    """A test subset that was drawn after a bad image was left out: drawn again from all, it would be another."""
    for name in ("one", "other"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number:02d}.png")
    whole = folder.read(tmp_path / "photos").images.splits["test"]
    whole.images.paths[0].write_bytes(b"torn")
    words = ("--backbone", "test_resnet", "--weights", "untrained", "--image-size", "32", "--head", "centroid")
    words = (*words, "--dataset", tmp_path / "photos", "--on-bad-image", "skip", "--test-subset", "8")
    run = pipeline("fit-head", *words, "--json").json["run"]
    page = Page(Path(pipeline("report", "--images", tmp_path / "photos", "--json").json["path"]))
    workspace = tmp_path / "workspace"
    logits, labels = records.logits(workspace, run)
    ids = records.test_ids(workspace, run)
    assert set(ids) != set(
        subset(folder.read(tmp_path / "photos").images, train=None, test=8, seed=0).splits["test"].ids
    )
    wrong = [ids[row] for row, _, _ in most_confident_mistakes(logits, labels, count=12)]
    assert wrong
    shown = [a["data-thumbnail"] for tag, a in page.elements if tag == "img" and a.get("data-thumbnail")]
    assert [key.partition("/")[2] for key in shown] == wrong
    path = dict(zip(whole.ids, whole.images.paths, strict=True))[wrong[0]]
    assert page.data("thumbnails")[shown[0]] == data_uri(Image.open(path))


def test_images_of_another_digest_are_not_shown(workspace, make, tmp_path):
    record, table = make.head("logistic", "resnet50", accuracy=0.8)
    make.put(workspace, (record, table))
    build(workspace, ReportRequest(tmp_path / "page.html"))
    assert len(Page(tmp_path / "page.html").data("thumbnails")) == 12
    make.put(workspace, ({**record, "dataset": {**record["dataset"], "digest": fingerprint()[::-1]}}, table))
    build(workspace, ReportRequest(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert page.data("thumbnails") == {}
    assert "not at hand" in "".join(page.text)
