"""The talk as markdown, as a parser of CommonMark reads it."""

import re
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt

from pipelines.report.slides.markdown import document, escaped


@pytest.fixture(scope="module")
def written(hostile):
    """(markdown, pictures) of the hostile talk."""
    return document(hostile.slides, folder="my talk-pictures")


def test_a_slide_for_each_rule_and_every_picture_beside_it(hostile, written):
    text, pictures = written
    _, front, body = text.split("---\n", 2)
    assert yaml.safe_load(front)["marp"] is True
    tokens = MarkdownIt().enable("table").parse(body)
    kinds = [token.type for token in tokens if token.type in ("hr", "heading_open")]
    assert kinds == ["heading_open", *["hr", "heading_open"] * (len(hostile.slides) - 1)]
    children = [child for token in tokens for child in token.children or ()]
    shown = [unquote(child.attrs["src"]) for child in children if child.type == "image"]
    assert sorted(shown) == sorted(f"my talk-pictures/{name}" for name in pictures)
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())


def test_names_are_text_and_notes_are_comments(hostile, written):
    tokens = MarkdownIt().enable("table").parse(written[0].split("---\n", 2)[2])
    comments = [token.content for token in tokens if token.type == "html_block"]
    assert len(comments) == len(hostile.slides)
    assert all(re.fullmatch(r"<!--\n.*?\n-->\n", one, re.S) and one.count("-->") == 1 for one in comments)
    kinds = {child.type for token in tokens for child in token.children or ()}
    assert kinds <= {"text", "image", "text_special", "em_open", "em_close"}


@pytest.mark.parametrize(
    "text", ["# a", "- a", "1. a", "1) a", "a_b*c`d", "<b>", "| a |", "[x](y)", "$x$", "\\", "---"]
)
def test_what_markdown_would_read_as_a_sign_is_shown_as_it_is(text):
    tokens = MarkdownIt().enable("table").parse(escaped(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in tokens[1].children) == text
