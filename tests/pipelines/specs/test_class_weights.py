"""Weights of classes from a file."""

import pytest

from extract.errors import InvalidInputError
from pipelines.specs import HeadSpec, NetworkSpec, class_weights, resolve_head


def test_a_file_gives_its_weights_and_the_key_has_them_not_its_name(tmp_path):
    file = tmp_path / "weights.csv"
    file.write_text("class,weight\ncat,2.5\n\n dog , 1\n")
    spec = HeadSpec.of({"class_weights": str(file)})
    assert resolve_head(spec, features="f").options == {"class_weights": {"cat": 2.5, "dog": 1.0}}
    assert class_weights.labeled(spec.options, ["ant", "cat", "dog"])["class_weights"] == {1: 2.5, 2: 1.0}
    with pytest.raises(InvalidInputError, match="'cat', not among 'ant', 'dog'"):
        class_weights.labeled(spec.options, ["ant", "dog"])


def test_none_is_not_in_the_key_and_balanced_is():
    plain, named = (resolve_head(HeadSpec.of(given), features="f") for given in ({}, {"class_weights": "none"}))
    assert plain.text() == named.text()
    weighted = resolve_head(HeadSpec.of({"class_weights": "balanced"}), features="f")
    assert weighted.options == {"class_weights": "balanced"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cat,2\ncat,3\n", "the class a second time in line 2"),
        ("class,weight\ncat\n", "'cat' in line 2"),
        ("cat,2\ndog,many\n", "'dog,many' in line 2"),
        ("cat,0\n", "'cat,0' in line 1"),
        ("cat,inf\n", "'cat,inf' in line 1"),
        ("cat,2\na,b,3\n", "'a,b,3' in line 2"),
        ("", "got none"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, text, says):
    file = tmp_path / "weights.csv"
    file.write_text(text)
    with pytest.raises(InvalidInputError, match=says):
        HeadSpec.of({"class_weights": str(file)})


def test_what_is_no_file_or_no_text_is_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for given in ("balancd", str(tmp_path / "binary"), str(tmp_path)):
        with pytest.raises(InvalidInputError, match="must be none, balanced, or a file of lines CLASS,WEIGHT"):
            HeadSpec.of({"class_weights": given})


def test_heads_without_weights_and_criteria_without_patience_are_refused():
    with pytest.raises(InvalidInputError, match="class-weights"):
        HeadSpec.of({"head": "knn", "class_weights": "balanced"})
    with pytest.raises(InvalidInputError, match="criterion must come with patience"):
        NetworkSpec.of({"criterion": "macro_f1"})
