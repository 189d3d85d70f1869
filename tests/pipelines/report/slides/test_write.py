"""`pipeline report --slides` as a user meets it."""

from pptx import Presentation


def test_the_command_writes_slides_beside_the_page(pipeline, workspace, make, tmp_path):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    for name in ("talk.pptx", "talk.md"):
        ended = pipeline("report", "--slides", tmp_path / name, "--title", "Digits", "--json")
        assert (ended.status, ended.json["slides"]) == (0, str(tmp_path / name)), ended.err
    deck = Presentation(str(tmp_path / "talk.pptx"))
    assert deck.slides[0].shapes.title.text == "Digits"
    assert (tmp_path / "talk.md").read_text(encoding="utf-8").count("\n## ") == len(deck.slides)
    assert list((tmp_path / "talk-pictures").glob("*.png"))


def test_slides_of_another_kind_or_without_the_package_are_refused(pipeline, workspace, make, monkeypatch):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))
    ended = pipeline("report", "--slides", "talk.pdf")
    assert (ended.status, "slides must be a file that ends in .pptx, .md" in ended.err) == (2, True)
    monkeypatch.setattr("pipelines.report.slides.is_available", lambda: False)
    ended = pipeline("report", "--slides", "talk.pptx")
    assert ended.status == 2
    assert "pip install 'transfer-bench[slides]'" in ended.err


def test_a_slide_that_vega_refuses_is_left_out_and_named(pipeline, workspace, make, monkeypatch, tmp_path):
    make.put(workspace, make.head("logistic", "resnet50", accuracy=0.9))

    def refuse(*_: object, **__: object) -> str:
        raise ValueError("Vega says no")

    monkeypatch.setattr("pipelines.report.page.render.vl_convert.vegalite_to_svg", refuse)
    ended = pipeline("report", "--slides", tmp_path / "talk.md", "--json")
    assert ended.status == 0, ended.err
    (problem,) = [one for one in ended.json["problems"] if one.startswith("slide ")]
    assert problem.startswith("slide What is misclassified")
    assert problem.endswith("it cannot be drawn: Vega says no")
    assert "Conclusion" in (tmp_path / "talk.md").read_text(encoding="utf-8")
