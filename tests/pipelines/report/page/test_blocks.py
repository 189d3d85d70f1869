"""Blocks of a page."""

from pipelines.report.page.blocks import Cell, number_cell, text_cell
from pipelines.report.page.text import MISSING


def test_a_cell_shows_its_number_and_sorts_by_it_and_a_missing_one_says_so():
    cell = number_cell(0.5, lambda value: f"{100 * value:.0f}")
    assert (cell.text, cell.value) == ("50", 0.5)
    assert number_cell(None).text == MISSING
    assert isinstance(text_cell("name"), Cell)
