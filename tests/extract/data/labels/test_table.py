"""Tables of labels: every container gives the same cells, and what is no table is refused with its line."""

import json

import pytest

from extract.data.labels.table import NOTHING, NUMBER, TEXT, TRUTH, WHOLE, read
from extract.errors import InvalidInputError

CELLS = {"path": ["a.jpg", "b, c.jpg"], "label": ["cat", "dög"]}
TEXTS = {
    "t.csv": 'path,label\na.jpg,cat\n"b, c.jpg",dög\n',
    "excel.csv": '\ufeffpath;label\r\na.jpg;cat\r\n"b, c.jpg";dög\r\n',
    "t.tsv": "path\tlabel\n\na.jpg\tcat\nb, c.jpg\tdög\n",
    "t.jsonl": '{"path": "a.jpg", "label": "cat"}\n{"path": "b, c.jpg", "label": "dög"}\n',
}


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_gives_the_same_cells(name, tmp_path):
    (tmp_path / name).write_text(TEXTS[name], encoding="utf-8")
    table = read(tmp_path / name)
    assert table.columns == CELLS
    assert table.place(1) == f"on line {2 if name == 't.jsonl' else 4 if name == 't.tsv' else 3} of {name}"


def test_parquet_gives_them_too_with_class_names_of_hugging_face(tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    kept = {"info": {"features": {"label": {"names": ["cat", "dög"], "_type": "ClassLabel"}}}}
    table = arrow.table({"path": CELLS["path"], "label": [0, 1]})
    table = table.replace_schema_metadata({"huggingface": json.dumps(kept)})
    parquet.write_table(table, tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet")
    assert found.columns == CELLS
    assert found.place(0, 1) == "on rows 1 and 2 of t.parquet"


@pytest.mark.parametrize("metadata", ["null", "{", '{"info": {"features": {"label": {"names": {"0": "a"}}}}}'])
def test_metadata_of_another_form_changes_nothing(metadata, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = arrow.table({"path": CELLS["path"], "label": [0, 1]})
    parquet.write_table(table.replace_schema_metadata({"huggingface": metadata}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").columns["label"] == [0, 1]
    parquet.write_table(table.append_column("path", table["path"]), tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match="got 'path' twice in"):
        read(tmp_path / "t.parquet")


def test_kinds_of_cells_follow_the_file():
    texts, typed = (read_cells(typed=typed) for typed in (False, True))
    cells = ["3", "-3", "1.0", ".5e3", "3a", "", None, float("nan"), True, 3, 0.5]
    kinds = [NOTHING, NOTHING, TRUTH, WHOLE, NUMBER]
    assert [texts.kind(cell) for cell in cells] == [WHOLE, WHOLE, NUMBER, NUMBER, TEXT, NOTHING, *kinds]
    assert [typed.kind(cell) for cell in cells] == [*[TEXT] * 5, NOTHING, *kinds]


def read_cells(*, typed):
    from extract.data.labels.table import LabelTable

    return LabelTable("t", {}, [], "line", typed)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.xlsx", b"PK", r"labels must be a file of \.csv, .*\. Save the table as CSV"),
        ("t.csv", b"", "distinct column names; got an empty file in t.csv"),
        ("t.csv", b"path,label,path\n", "got 'path' twice in t.csv"),
        ("t.csv", b"path,label\na.jpg,cat\nb.jpg\n", "as the header, 2; got 1 on line 3 of t.csv"),
        ("t.csv", b'path,label\n"a"b,cat\n', "got line 2 of t.csv"),
        ("t.csv", b"path,label\na.jpg,\xff\n", "must be UTF-8 text; got t.csv with the byte 0xff at 17"),
        ("t.jsonl", b'{"path": "a.jpg"}\n{"path"\n', "JSON objects; got line 2 of t.jsonl"),
        ("t.jsonl", b'{"path": "a.jpg"}\n\n[1]\n', r"got '\[1\]' on line 3 of t.jsonl"),
        ("t.jsonl", b"[" * 100_000, "JSON objects; got line 1 of t.jsonl"),
        ("t.jsonl", b'{"path": "a.jpg", "label": "\\ud800"}', "JSON objects; got line 1 of t.jsonl"),
        ("t.parquet", b"PAR1 and no more", "table must be readable"),
    ],
)
def test_what_is_no_table_is_refused(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=message):
        read(tmp_path / name)
