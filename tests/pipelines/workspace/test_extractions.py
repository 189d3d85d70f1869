"""Records of feature files come back as written; damaged ones and those of another file count as none, and say so."""

from types import SimpleNamespace

import pytest
from msgspec import structs

from pipelines.workspace import extractions
from pipelines.workspace.extractions import Extraction, ExtractionCost

RECORD = Extraction(
    schema=3, kind="features", created="2026-01-01", file="digits-net-0123456789ab.h5", digest="0" * 64,
    content="a" * 64, rows=6, dimension=4, file_bytes=100, engine="eager", parameters=1, weight_bytes=4, flops=2,
    skipped=[], timing=ExtractionCost(seconds=3.0, compile_seconds=0.0, images_computed=6, images_per_second=2.0),
    seconds=3.0, weights_file="/weights.pth#ema", notices=["6 images"],
)  # fmt: skip


def test_a_record_comes_back_as_written_and_a_later_one_takes_its_place(tmp_path):
    assert extractions.find(tmp_path, RECORD.content) is None
    extractions.write(tmp_path, RECORD)
    assert extractions.find(tmp_path, RECORD.content) == RECORD
    extractions.write(tmp_path, structs.replace(RECORD, seconds=None, timing=None))
    found = extractions.find(tmp_path, RECORD.content)
    assert (found.seconds, found.images_per_second) == (None, None)
    assert list(extractions.find_all(tmp_path, notice=pytest.fail)) == [found]


@pytest.mark.parametrize("harm", ["a changed digit", "another file's", "no JSON"])
def test_a_damaged_record_counts_as_none_and_is_named(tmp_path, harm):
    extractions.write(tmp_path, RECORD)
    (path,) = (tmp_path / "extractions").iterdir()
    content = path.read_bytes()
    if harm == "another file's":
        path = path.rename(path.with_name(f"{'b' * 16}.json"))
    path.write_bytes({"a changed digit": content.replace(b"3.0", b"4.0"), "no JSON": b"{"}.get(harm, content))
    said: list[str] = []
    wanted = "b" * 64 if harm == "another file's" else RECORD.content
    assert extractions.find(tmp_path, wanted, notice=said.append) is None
    assert list(extractions.find_all(tmp_path, notice=said.append)) == []
    assert len(said) == 2
    assert all(path.name in one for one in said)


def test_the_splits_share_what_an_extraction_took_by_their_images():
    file = SimpleNamespace(shapes={"train": (1, 4, 8), "test": (1, 2, 8)}, row_count=6)
    assert extractions.shares(3.0, file) == {"train": 2.0, "test": 1.0}
    assert extractions.shares(None, file) == {"train": None, "test": None}
