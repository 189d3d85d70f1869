"""Rows of a file of labels: CSV, TSV, JSON lines or parquet, each with the line or row that it stands on."""

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.errors import InvalidInputError, UnavailableError

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
ROWS_AT_ONCE = 1000  # of a table that may hold images
SEPARATORS = ",;\t|"
TRUTH, WHOLE, NUMBER, TEXT, NOTHING = "true or false", "whole number", "number", "text", "nothing"


@dataclass(frozen=True)
class LabelTable:
    """Cells by column; row i stands on `lines[i]`, counted in `unit`s ("line", "row") of the file called `name`.

    Cells are texts where the file knows no types (`typed`), else texts, numbers, truth values or None.
    """

    name: str
    columns: dict[str, list[object]]
    lines: Sequence[int]
    unit: str
    typed: bool

    def place(self, *rows: int) -> str:
        """Where rows stand: "on line 3 of labels.csv", "on lines 3 and 9 of labels.csv"."""
        plural = "s" if len(rows) > 1 else ""
        return f"on {self.unit}{plural} {' and '.join(str(self.lines[row]) for row in rows)} of {self.name}"

    def kind(self, cell: object) -> str:
        """The kind of a cell: nothing, text, whole number, number, true or false."""
        if isinstance(cell, str):
            return _kind_of_text(cell, typed=self.typed)
        if cell is None or cell != cell:
            return NOTHING
        kinds = {bool: TRUTH, int: WHOLE, float: NUMBER}
        return kinds.get(type(cell), f"a {type(cell).__name__}")


def read(path: Path) -> LabelTable:
    """The table in `path`, by its suffix. Raises `InvalidInputError` for a file that holds none."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InvalidInputError(
            f"labels must be a file of {', '.join(SUFFIXES)}; got {str(path)!r}. Save the table as CSV."
        )
    try:
        if suffix == ".parquet":
            return _parquet(path)
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(
            f"labels must be UTF-8 text; got {path.name} with the byte {error.object[error.start]:#x} at "
            f"{error.start}. Save it as UTF-8."
        ) from error
    except OSError as error:
        raise InvalidInputError(f"labels must be readable; got {str(path)!r} ({error.strerror}).") from error
    return _json_lines(path.name, text) if suffix in (".jsonl", ".ndjson") else _separated(path.name, text, suffix)


def _kind_of_text(cell: str, *, typed: bool) -> str:
    if not cell.strip():
        return NOTHING
    if typed:
        return TEXT
    if re.fullmatch(r"[+-]?\d+", cell):
        return WHOLE
    return NUMBER if re.fullmatch(r"[+-]?(\d+\.\d*|\.?\d+)([eE][+-]?\d+)?", cell) else TEXT


def _separated(name: str, text: str, suffix: str) -> LabelTable:
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = "\t" if suffix == ".tsv" else max(SEPARATORS, key=head.count)
    found = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    rows, lines = [], []
    try:
        for row in found:
            if any(cell.strip() for cell in row):
                rows.append([cell.strip() for cell in row])
                lines.append(found.line_num)
    except csv.Error as error:
        raise InvalidInputError(
            f"labels must be rows of cells; got line {found.line_num} of {name} ({error}). Check its quotes."
        ) from error
    header = _header(name, rows[0] if rows else [])
    for row, line in zip(rows, lines, strict=True):
        if len(row) != len(header):
            raise InvalidInputError(
                f"rows must have as many cells as the header, {len(header)}; got {len(row)} on line {line} of {name}. "
                'Put texts that hold the separator into "quotes".'
            )
    columns: dict[str, list[object]] = {one: [row[at] for row in rows[1:]] for at, one in enumerate(header)}
    return LabelTable(name, columns, lines[1:], "line", typed=False)


def _header(name: str, cells: list[str]) -> list[str]:
    twice = sorted({cell for cell in cells if cells.count(cell) > 1})
    if not cells or twice:
        got = f"{twice[0]!r} twice" if twice else "an empty file"
        raise InvalidInputError(
            f"labels must begin with a line of distinct column names; got {got} in {name}. Add one: path,label."
        )
    return cells


def _json_lines(name: str, text: str) -> LabelTable:
    rows, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            rows.append(_json_object(name, line, number))
            lines.append(number)
    names = _header(name, list(dict.fromkeys(key for row in rows for key in row)))
    return LabelTable(name, {one: [row.get(one) for row in rows] for one in names}, lines, "line", typed=True)


def _json_object(name: str, line: str, number: int) -> dict[str, object]:
    try:
        found = json.loads(line)
        if "\\u" in line:
            json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise InvalidInputError(f"lines must be JSON objects; got line {number} of {name} ({error}).") from error
    if not isinstance(found, dict):
        raise InvalidInputError(
            f'lines must be JSON objects like {{"file_name": "a.jpg", "label": "cat"}}; got {line[:40]!r} '
            f"on line {number} of {name}."
        )
    return found


def _parquet(path: Path) -> LabelTable:
    columns: dict[str, list[object]] = {}
    for part in arrow_tables(path):
        for name, cells in part.items():
            columns.setdefault(name, []).extend(cells)
    count = len(next(iter(columns.values()), []))
    _header(path.name, list(columns))
    return LabelTable(path.name, columns, range(1, count + 1), "row", typed=True)


def arrow_tables(path: Path) -> Iterator[dict[str, list[object]]]:
    """Columns of a parquet or Arrow file, a thousand rows at a time; class numbers of Hugging Face as its names."""
    try:
        from pyarrow import ArrowException, ipc, parquet
    except ImportError as error:
        raise UnavailableError(
            'pyarrow must be installed to read parquet; it is not. pip install "transfer-bench[parquet]".'
        ) from error
    try:
        if path.suffix.lower() == ".parquet":
            file = parquet.ParquetFile(path)
            schema, parts = file.schema_arrow, file.iter_batches(batch_size=ROWS_AT_ONCE)
        else:
            parts = ipc.open_stream(path)
            schema = parts.schema
        if double := sorted({one for one in schema.names if schema.names.count(one) > 1}):
            raise InvalidInputError(f"columns must have different names; got {double[0]!r} twice in {str(path)!r}.")
        kept = _features((schema.metadata or {}).get(b"huggingface", b"{}"))
        for part in parts:
            yield {name: _named(part[name].to_pylist(), kept.get(name)) for name in schema.names}
    except (ArrowException, OSError) as error:
        raise InvalidInputError(f"table must be readable; got {str(path)!r} ({error}). Save it again.") from error


def _features(metadata: bytes) -> dict[str, object]:
    """What Hugging Face keeps of each column; nothing where it is not in its form."""
    try:
        found = json.loads(metadata)
    except (ValueError, RecursionError):
        return {}
    for name in ("info", "features"):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def _named(cells: list[object], kept: object) -> list[object]:
    names = kept.get("names") if isinstance(kept, dict) else None
    names = names if isinstance(names, list) else None
    return (
        [names[cell] if isinstance(cell, int) and 0 <= cell < len(names) else cell for cell in cells]
        if names
        else cells
    )
