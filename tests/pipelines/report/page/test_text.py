"""Numbers as the report writes them."""

from pipelines.report.page.text import bound, change, column_unit, signed

COUNTS = (("", 1.0), ("k", 1e3), ("M", 1e6))


def test_no_count_of_a_column_is_written_as_zero():
    for values in ([928, 14_000, 1_650_000], [640, 6_490_000], [27_650, 442_370, 640], [3, 5_000_000], [5, 12]):
        _, size, digits = column_unit(values, COUNTS)
        assert all(float(f"{value / size:.{digits}f}") > 0 for value in values)


def test_a_number_stays_on_the_line_of_its_unit():
    assert bound("training 96.9 %, 64 px, 3 of 4 %") == "training 96.9\u00a0%, 64\u00a0px, 3 of 4\u00a0%"
    assert bound("< 8 pxs % 2") == "<\u00a08 pxs % 2"


def test_a_difference_that_is_not_zero_is_not_written_as_zero():
    assert change(0.005, (0.0003, 0.0097)) == "+0.5 (+0.03 to +1.0)"
    assert [signed(value) for value in (-0.04, 0.04, -0.0, 0.0, -1e-9, -1.04)] == [
        "\u22120.04", "+0.04", "+0.0", "+0.0", "+0.0", "\u22121.0",
    ]  # fmt: skip
