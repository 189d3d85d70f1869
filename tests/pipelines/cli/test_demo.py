"""The table of the tour."""

import pytest

from pipelines.cli.demo import _short


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ({"search": 1.0, "fit": 2.0, "evaluation": 4.0, "total": 3.0}, 7.0),
        ({"extraction": 8.0, "search": 1.0, "fit": 2.0, "evaluation": 4.0}, 15.0),
        ({"extraction": None, "search": 1.0, "fit": 2.0, "evaluation": 4.0}, 7.0),
    ],
)
def test_the_time_of_a_run_is_that_of_its_phases_each_counted_once(seconds, expected):
    record = {"run": "0" * 12, "name": "n", "mode": "scratch", "test": {"accuracy": 0.5, "interval": [0.4, 0.6]}}
    assert _short({**record, "parameters": 1, "flops": 1, "seconds": seconds})["seconds"] == expected
