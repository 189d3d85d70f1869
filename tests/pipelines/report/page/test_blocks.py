"""Blocks of a page."""

from pipelines.report.page.blocks import number_cell, numbers, words
from pipelines.report.page.text import MISSING


def test_a_cell_shows_its_number_and_sorts_by_it_and_a_missing_one_says_so():
    cell = number_cell(0.5, lambda value: f"{100 * value:.0f}")
    assert (cell.text, cell.value) == ("50", 0.5)
    assert number_cell(None).text == MISSING
    shown = numbers("Share", lambda value: value, "{:.1f}".format).cell(0.25)
    assert (shown.text, shown.value) == ("0.2", 0.25)
    name = words("Name", str.upper)
    assert (name.cell("one").text, name.cell("one").value, name.numeric) == ("ONE", "ONE", False)
