"""Tables with image bytes: the images of a folder, whatever wrote the table."""

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from extract.data import datasets, folder
from extract.data.containers import parquet
from extract.decoding.decode import decode
from extract.errors import InvalidInputError

arrow = pytest.importorskip("pyarrow")
NAMES = json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}})


def content(row: int) -> bytes:
    """A PNG of one color, for even rows, or a JPEG."""
    file = io.BytesIO()
    Image.new("RGB", (8 + row, 8), (20 * row, 100, 0)).save(file, "JPEG" if row % 2 else "PNG")
    return file.getvalue()


def table(rows: range, **more):
    """A table as Hugging Face's `datasets` keeps it."""
    images = [{"bytes": content(row), "path": None} for row in rows]
    found = arrow.table({"image": images, "label": [row % 2 for row in rows], **more})
    return found.replace_schema_metadata({"huggingface": NAMES})


def opened(place, tmp_path, columns=()):
    dataset, labels = datasets.opened(str(place), None, None, download_dir=tmp_path / "data", columns=columns)
    return folder.read(tmp_path / "data" / dataset, labels=labels)


def write(found, path, *, as_arrow=False):
    from pyarrow import parquet as writer

    path.parent.mkdir(parents=True, exist_ok=True)
    if not as_arrow:
        writer.write_table(found, path)
        return
    with arrow.OSFile(str(path), "wb") as sink, arrow.ipc.new_stream(sink, found.schema) as stream:
        stream.write_table(found)


@pytest.mark.parametrize("kind", ["hub", "saved"])
def test_shards_of_splits_are_a_folder_with_labels(kind, tmp_path):
    root = tmp_path / "pets"
    for split, rows in (("train", range(6)), ("test", range(6, 10))):
        for number, part in enumerate((rows[:3], rows[3:])):
            name = f"-{number:05d}-of-00002"
            if kind == "hub":
                write(table(part), root / "data" / f"{split}{name}.parquet")
            else:
                write(table(part), root / split / f"data{name}.arrow", as_arrow=True)
    (root / "dataset_dict.json").write_text("{}")
    found = opened(root, tmp_path)
    images = found.images
    assert (images.name, images.class_names) == ("pets", ("cat", "dog"))
    assert [len(split) for split in images.splits.values()] == [6, 4]
    colors = [np.asarray(decode(path))[0, 0, 0] for path in images.splits["train"].images.paths()]
    np.testing.assert_allclose(colors, [0, 40, 80, 20, 60, 100], atol=2)  # cats before dogs; JPEG rounds
    (unpacked,) = before = sorted(tmp_path.glob("data/unpacked/*"))
    assert opened(root, tmp_path).digest == found.digest
    assert sorted(tmp_path.glob("data/unpacked/*")) == before  # unpacked once
    (unpacked / "pets").rename(unpacked / ".part-killed")
    assert opened(root, tmp_path).digest == found.digest
    assert not list(unpacked.glob(".part-*"))


def test_a_corrected_label_is_read_whatever_its_time_says(tmp_path):
    place = tmp_path / "pets.parquet"
    write(table(range(20)), place)
    before, digest = place.stat(), opened(place, tmp_path).digest
    labels = arrow.array([row % 2 for row in (1, 0, *range(2, 20))])
    write(table(range(20)).set_column(1, "label", labels), place)
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert place.stat().st_size == before.st_size
    assert opened(place, tmp_path).digest != digest


@pytest.mark.parametrize(("train", "test"), [("train_0", "test_0"), ("training.0", "testing.0"), ("Train-a", "dev-a")])
def test_names_of_files_say_the_split_however_they_are_joined(train, test, tmp_path):
    for name, rows in ((train, range(6)), (test, range(6, 10))):
        write(table(rows), tmp_path / "pets" / f"{name}.parquet")
    assert [len(split) for split in opened(tmp_path / "pets", tmp_path).images.splits.values()] == [6, 4]


def test_a_file_without_a_split_beside_one_with_it_is_refused(tmp_path):
    for name in ("train-0", "more"):
        write(table(range(6)), tmp_path / "pets" / f"{name}.parquet")
    with pytest.raises(InvalidInputError, match=r"all be named .*; got 'more.parquet' beside 'train-0.parquet'"):
        opened(tmp_path / "pets", tmp_path)


def test_what_hugging_face_s_map_left_beside_the_data_is_not_read(tmp_path):
    for name in ("data-00000-of-00001", "cache-0123456789abcdef"):
        write(table(range(10)), tmp_path / "pets" / f"{name}.arrow", as_arrow=True)
    assert opened(tmp_path / "pets", tmp_path).images.image_count == 10


def test_one_file_with_bytes_alone_and_named_columns_keeps_groups_whole(tmp_path):
    cells = {
        "picture": [content(row) for row in range(12)],
        "kind": ["a", "b"] * 6,
        "who": [row // 4 for row in range(12)],
    }
    write(arrow.table(cells), tmp_path / "t.parquet")
    found = opened(tmp_path / "t.parquet", tmp_path, ("path=picture", "label=kind", "group=who"))
    splits = found.images.splits
    assert not set(splits["train"].groups) & set(splits["test"].groups)
    assert "metadata.jsonl" not in " ".join(found.images.notices)  # a file that the user has not


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"image": ["a.jpg"], "label": ["a"]}, "must have a column of image bytes; got 'image', 'label' in .*--labels"),
        ({"image": [b"x"], "kind": ["a"]}, "a column for the label of each image; got 'kind' in t.parquet"),
        ({"image": [b"x", None], "label": ["a", "b"]}, "image must have bytes; got none on row 2 of t.parquet"),
    ],
)
def test_other_tables_are_refused_and_leave_nothing_behind(cells, message, tmp_path):
    write(arrow.table(cells), tmp_path / "t.parquet")
    with pytest.raises(InvalidInputError, match=message):
        opened(tmp_path / "t.parquet", tmp_path)
    assert not list(tmp_path.glob("data/unpacked/*/*/*"))


def test_a_folder_of_class_folders_is_no_table(tmp_path):
    (tmp_path / "D" / "cat").mkdir(parents=True)
    (tmp_path / "D" / "metadata.parquet").write_bytes(b"")
    assert parquet.shards(tmp_path / "D") == []
