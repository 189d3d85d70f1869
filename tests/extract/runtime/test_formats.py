"""Numbers as people read them."""

from extract.runtime.formats import amount, bytes_amount, clock, duration, p_text, percent, plural, size, span, written


def test_amounts_for_people():
    numbers = (0, 950, 11_173_962, 1_234, 999_600, 4.1e9, 2.5e12)
    assert [amount(one) for one in numbers] == ["0", "950", "11.2 M", "1.23 k", "1 M", "4.1 G", "2500 G"]


def test_seconds_in_the_unit_that_people_would_use():
    assert [duration(one) for one in (None, 0.0, 0.415, 3.2, 61, 3700)] == [
        *("", "0 ms", "415 ms", "3.2 s", "1 min 01 s", "1 h 01 min"),
    ]
    assert [duration(one) for one in (0.9996, 59.96, 3599.6)] == ["1.0 s", "1 min 00 s", "1 h 00 min"]
    assert [clock(one) for one in (12, 754, 3723)] == ["0:12", "12:34", "1:02:03"]


def test_bytes_and_shares():
    assert [size(one) for one in (None, 12, 12.5 * 2**20)] == ["", "12 B", "12.5 MiB"]
    assert [size(one) for one in (1023, 1023.99 * 2**10)] == ["1023 B", "1.0 MiB"]
    assert [bytes_amount(one) for one in (296, 1600, 1_500_000)] == ["296 B", "1.6 kB", "1.5 MB"]
    assert (percent(0.9111), percent(None), span(0.1, 0.2, 1)) == ("91.11 %", "", "10.0 % to 20.0 %")


def test_values_are_written_as_a_command_line_takes_them():
    assert [written(one) for one in (None, True, 0.1, 1e-5, 3, "a", [], {})] == [
        *("none", "true", "0.1", "1e-05", "3", "a", "none", "none"),
    ]
    assert written([1, 0.123456789]) == "1, 0.123457"
    assert written({"image_size": (32, 32), "seed": None}, 3) == "image size 32,32, seed none"
    assert [plural(count, "class") for count in (1, 2)] == ["1 class", "2 classes"]


def test_a_p_below_5_percent_is_not_written_as_5_percent():
    assert [p_text(value) for value in (0.0005, 0.0123, 0.0497, 0.05, 0.0512)] == [
        *("below 0.001", "0.012", "0.049", "0.050", "0.051"),
    ]
