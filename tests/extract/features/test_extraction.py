"""How an extraction is planned."""

from extract.data import digits
from extract.features.extraction import step_size


def test_a_step_is_no_larger_than_the_largest_split():
    data = digits.load()
    most = max(map(len, data.splits.values()))
    assert most > 256
    asked = (1, 256, 257, most, most + 1, 10**6)
    assert [step_size(data, wanted) for wanted in asked] == [1, 256, 257, most, most, most]
