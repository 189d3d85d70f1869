"""Widths of texts against fonts, and cutting."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from pipelines.report.page.measure import cut, line_count, width

SENTENCE = "The best of 12 runs by validation accuracy: resnet18, 93.5 % (95 % interval 92.1 to 94.8), WMQ@."
ARIAL = [Path("/usr/share/fonts/truetype/liberation") / f"LiberationSans-{kind}.ttf" for kind in ("Regular", "Bold")]


def test_a_sentence_is_no_wider_than_measured_and_not_much_narrower():
    for font in (ImageFont.load_default(100), *(ImageFont.truetype(str(one), 100) for one in ARIAL if one.exists())):
        assert 0.85 * width(SENTENCE, 100) < font.getlength(SENTENCE) <= width(SENTENCE, 100)


@pytest.mark.skipif(not ARIAL[0].exists(), reason="Liberation Sans is not installed (Debian: fonts-liberation)")
def test_no_letter_of_latin_scripts_is_wider_than_measured():
    for path in ARIAL:
        font = ImageFont.truetype(str(path), 1000)
        known = [chr(point) for point in [*range(0x20, 0x7F), *range(0xA0, 0x180), 0x2013, 0x2022, 0x2026, 0x2212]]
        assert [one for one in known if font.getlength(one) > width(one, 1000)] == []


def test_scripts_without_a_known_font_count_an_em_and_marks_nothing():
    assert width("日本", 20) >= 40
    assert width("e\u0301\u202e", 20) == width("e", 20)
    assert width("é", 20) == width("e", 20)


def test_lines_break_between_words_and_within_long_ones():
    assert line_count("", size=10, room=100) == 1
    assert line_count("two words", size=10, room=width("two words", 10)) == 1
    assert line_count("two words", size=10, room=width("two word", 10)) == 2
    assert line_count("a\nb", size=10, room=100) == 2
    assert line_count("n" * 30, size=10, room=width("n" * 10, 10)) == 3


@given(st.text(max_size=80), st.floats(40, 400), st.integers(1, 3))
def test_what_is_cut_fits_and_keeps_both_ends(text, room, lines):
    shown = cut(text, size=14, room=room, lines=lines)
    assert line_count(shown, size=14, room=room) <= lines or len(shown) <= 3
    if shown != text:
        start, _, end = shown.partition("…")
        assert text.startswith(start)
        assert text.endswith(end)
