"""Where the parts of a slide stand."""

import re

import pytest

from pipelines.report.page import render
from pipelines.report.page.blocks import Cell, Column, Items, Table, Text, words
from pipelines.report.sections import comparison, confusion, tradeoff
from pipelines.report.slides.layout import placed
from pipelines.report.slides.slide import HEIGHT, LEAST, WIDTH, Grid, Slide, Words
from pipelines.report.study.study import gather


def _body(*blocks) -> list:
    return placed(Slide("Title", [list(blocks)], ""), {})[1:]


def test_little_text_is_large_and_much_text_small_and_then_cut():
    sizes = [_body(Items(["A sentence of some length."] * count))[0].size for count in (3, 14, 60)]
    assert sizes[0] > sizes[1] > sizes[2] == LEAST
    many = _body(Items([f"sentence {number}" for number in range(60)]))[0]
    assert 10 < len(many.paragraphs) < 60
    long = _body(Items(["word " * 3000]))[0]
    assert "…" in long.paragraphs[0]


def test_a_wide_table_cuts_its_widest_column_and_no_other():
    columns = [
        Column("Number", lambda row: Cell(row[0], row[0])),
        words("Name", lambda row: row[1]),
    ]
    grid = _body(Table("", columns, [("12.34", "n" * 300), ("5.60", "short")]))[0]
    assert isinstance(grid, Grid)
    assert sum(grid.widths) <= WIDTH - 80 + 0.1
    assert [row[0] for row in grid.rows] == ["Number", "12.34", "5.60"]
    assert "…" in grid.rows[1][1]
    assert grid.rows[2][1] == "short"


def test_a_long_name_has_two_lines_where_all_rows_have_room_for_them():
    name = "preact18 from scratch, cutout 0, 15 epochs, learning rate 0.005"
    columns = [words("Name", lambda row: row), *(words(f"Score {count}", lambda row: "92.58 %") for count in range(5))]
    few, many = (_body(Table("", columns, [one] * count))[0] for one, count in ((name, 4), (2 * name, 16)))
    assert few.rows[1][0] == name
    assert few.heights[1] > 1.5 * few.heights[0]
    assert len(many.rows) == 17
    assert "…" in many.rows[1][0]
    assert len(set(many.heights)) == 1


@pytest.mark.parametrize(("count", "size"), [(10, 28), (70, 20)])
def test_a_long_title_is_set_smaller_before_it_is_cut(count, size):
    title = ("word " * 20)[:count].strip()
    (words,) = placed(Slide(title, [], ""), {})
    assert (words.paragraphs, words.size) == ([title], size)


def test_what_turns_the_direction_of_text_is_taken_out_and_controls_are_shown():
    (words,) = _body(Text("a\u202eb\x1b[31m"))
    assert words.paragraphs == ["ab\\x1b[31m"]


def test_everything_stands_within_the_slide_whatever_is_on_it():
    blocks = [Text("t" * 400), Items(["i " * 900] * 8), Text("end " * 200)]
    for part in placed(Slide("T" * 200, [blocks, blocks], "", "foot " * 90, "lead " * 90), {}):
        assert isinstance(part, Words)
        assert part.box.left >= 0
        assert part.box.left + part.box.width <= WIDTH
        assert part.box.top + part.box.height <= HEIGHT


@pytest.mark.parametrize("width", [880, 432])
def test_no_letter_of_a_figure_is_below_fourteen_points(workspace, make, width):
    for index in range(12):
        made = make.network(f"resnet{index}", "scratch", accuracy=0.6 + index / 40, parameters=10**4 * (index + 1))
        make.put(workspace, made)
    study = gather(workspace, None)
    for section in (tradeoff.trade_offs(study), comparison.paired_tests(study), confusion.matrices(study)):
        svg = render.fitted(section.figures()[0], width=width, height=424)
        across, high = render.drawn_size(svg)
        letters = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
        assert min(letters) * min(width / across, 424 / high) >= LEAST - 0.01
