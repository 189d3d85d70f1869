"""Small JSON files with a checksum of all that they hold."""

import math

import pytest

from extract.errors import CorruptFileError
from pipelines.workspace import stored


def test_values_come_back_and_what_is_not_finite_is_null(tmp_path):
    path = tmp_path / "note.json"
    stored.write(path, {"a": [1, (2, math.inf)], "b": {"c": math.nan}})
    assert stored.read(path, dict, thing="note", remedy="") == {"a": [1, [2, None]], "b": {"c": None}}
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"{", "it is no JSON"),
        (b"[1]", "it is no JSON object"),
        (b'{"a": 1}', "it has no checksum"),
        (b'{"a": NaN, "checksum": ""}', "it is no JSON"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_checked_object_is_refused_with_the_reason(tmp_path, content, what):
    path = tmp_path / "note.json"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=f"note must be intact; got .*: {what}"):
        stored.read(path, dict, thing="note", remedy="")


def test_one_changed_digit_is_seen(tmp_path):
    path = tmp_path / "note.json"
    stored.write(path, {"accuracy": 0.91})
    path.write_bytes(path.read_bytes().replace(b"0.91", b"0.99"))
    with pytest.raises(CorruptFileError, match="its checksum is another"):
        stored.read(path, dict, thing="note", remedy="")
