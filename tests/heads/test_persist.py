"""Kept heads: exact on return, refused when anything about them has changed."""

import json
import threading

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from extract.errors import CorruptFileError, InvalidInputError, NotWritableError, StorageError
from heads.logistic.head import LogisticHead
from heads.nearest.knn import NeighborHead
from heads.persist import SIDECAR_NAME, WEIGHTS_NAME, load, save

RECIPE = {"backbone": "resnet50", "sizes": [224, 1.5], "nested": {"none": None, "yes": True}, "name": "größe"}


@pytest.fixture
def kept(tmp_path, blobs):
    """A directory with a kept head, and the head."""
    head = LogisticHead(0.1).fit(*blobs)
    return save(head, tmp_path / "head", recipe=RECIPE), head


def test_a_kept_head_comes_back_exactly(kept, blobs):
    folder, head = kept
    returned, recipe = load(folder)
    assert recipe == RECIPE
    np.testing.assert_array_equal(returned.logits(blobs[0]), head.logits(blobs[0]))
    np.testing.assert_array_equal(returned.classes_, head.classes_)
    assert returned.get_params() == head.get_params()
    assert sorted(path.name for path in folder.iterdir()) == [SIDECAR_NAME, WEIGHTS_NAME]


def test_string_classes_come_back_as_strings(tmp_path, blobs):
    names = np.array(["cat", "dog", "eel", "fox"])[blobs[1]]
    head = LogisticHead(0.1, solver="sklearn").fit(blobs[0], names)
    returned, _ = load(save(head, tmp_path / "head", recipe={}))
    np.testing.assert_array_equal(returned.predict(blobs[0]), head.predict(blobs[0]))


def test_classes_of_every_kind_of_text_come_back_and_others_are_refused(tmp_path, blobs):
    for dtype in (str, object, np.dtypes.StringDType()):
        names = np.array(["cat", "dog", "eel", "fox"], dtype)[blobs[1]]
        head = LogisticHead(0.1).fit(blobs[0], names)
        returned, _ = load(save(head, tmp_path / "head", recipe={}))
        assert returned.predict(blobs[0]).tolist() == head.predict(blobs[0]).tolist()
    head = LogisticHead(0.1).fit(blobs[0], names.astype("S3"))
    with pytest.raises(InvalidInputError, match="recipe and classes must be JSON"):
        save(head, tmp_path / "head", recipe={})


def test_a_file_named_as_the_directory_is_refused_in_a_sentence(kept):
    with pytest.raises(CorruptFileError, match=r"head\.json/head\.json must be a file"):
        load(kept[0] / SIDECAR_NAME)


def test_a_place_where_no_directory_can_be_is_refused_in_a_sentence(kept):
    folder, head = kept
    for taken in (folder / SIDECAR_NAME, folder / SIDECAR_NAME / "below"):
        with pytest.raises(NotWritableError, match=r"head\.json.* must be writable; got .* exists|Not a directory"):
            save(head, taken, recipe={})


def test_saving_again_replaces_the_head(kept, blobs):
    folder, _ = kept
    other = LogisticHead(10.0).fit(*blobs)
    save(other, folder, recipe={"second": 2})
    returned, recipe = load(folder)
    assert recipe == {"second": 2}
    np.testing.assert_array_equal(returned.weights_, other.weights_)


def alter(path, how):
    """Damages the file at `path`."""
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])


@pytest.mark.parametrize("how", ["missing", "empty", "truncated", "altered"])
def test_damaged_weights_are_refused(kept, how):
    folder, _ = kept
    alter(folder / WEIGHTS_NAME, how)
    with pytest.raises(CorruptFileError, match=r"head\.safetensors"):
        load(folder)


@pytest.mark.parametrize("how", ["missing", "empty", "truncated"])
def test_a_damaged_sidecar_is_refused(kept, how):
    folder, _ = kept
    alter(folder / SIDECAR_NAME, how)
    with pytest.raises(CorruptFileError, match=r"head\.json"):
        load(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"kind": "forest"},
        {"options": {"unheard": 1}},
        {"classes": [0, 1]},
        {"width": 3},
        {"classes_dtype": "nonsense"},
        {"weights_sha256": "0"},
    ],
)
def test_an_edited_sidecar_is_refused(kept, change):
    folder, _ = kept
    sidecar = json.loads((folder / SIDECAR_NAME).read_text())
    (folder / SIDECAR_NAME).write_text(json.dumps({**sidecar, **change}))
    with pytest.raises(CorruptFileError):
        load(folder)


@pytest.mark.parametrize("text", ["[]", "{}", "null", '{"schema": 1}'])
def test_a_foreign_sidecar_is_refused(kept, text):
    folder, _ = kept
    (folder / SIDECAR_NAME).write_text(text)
    with pytest.raises(CorruptFileError, match="object with"):
        load(folder)


def test_what_cannot_be_kept_is_refused_before_anything_is_written(tmp_path, blobs):
    head = LogisticHead(0.1).fit(*blobs)
    for recipe in ({"array": np.zeros(2)}, {"nan": float("nan")}):
        with pytest.raises(InvalidInputError, match="recipe and classes must be JSON"):
            save(head, tmp_path / "head", recipe=recipe)
    with pytest.raises(NotFittedError):
        save(LogisticHead(0.1), tmp_path / "head", recipe={})
    assert not (tmp_path / "head").exists()


def test_options_from_a_numpy_grid_are_kept_as_numbers(tmp_path, blobs):
    head = NeighborHead(np.int64(5), temperature=np.float32(0.5)).fit(*blobs)
    returned, _ = load(save(head, tmp_path / "head", recipe={}))
    assert returned.get_params() == {"neighbors": 5, "temperature": 0.5, "centered": True, "device": "cpu"}


def test_a_reader_beside_a_writer_sees_one_whole_head(kept, blobs):
    """Two heads take turns in one place while another thread reads: every read is one of the two, whole."""
    folder, first = kept
    second = LogisticHead(10.0).fit(*blobs)
    known = {head.C: head.weights_ for head in (first, second)}
    ended = threading.Event()

    def write():
        while not ended.is_set():
            save(second, folder, recipe={})
            save(first, folder, recipe={})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(200):
            head, _ = load(folder)
            np.testing.assert_array_equal(head.weights_, known[head.C])
    finally:
        ended.set()
        writer.join()


def test_a_write_that_fails_leaves_the_old_head_and_nothing_else(kept, blobs, monkeypatch):
    folder, _ = kept
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("extract.runtime.disk.os.fsync", full)
    with pytest.raises(StorageError, match="No space"):
        save(LogisticHead(10.0).fit(*blobs), folder, recipe={})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("numbered", [True, False])
def test_weights_of_classes_come_back_under_the_classes(tmp_path, blobs, numbered):
    features, labels = blobs
    labels = labels if numbered else np.array(["a", "b", "c", "d"])[labels]
    weights = {labels[0].item(): 2.0}
    returned, _ = load(
        save(LogisticHead(C=0.1, class_weights=weights).fit(features, labels), tmp_path / "h", recipe={})
    )
    assert returned.get_params()["class_weights"] == weights
    again = clone(returned).fit(features, labels)
    np.testing.assert_allclose(again.logits(features), returned.logits(features), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("recipe", [None, ["resnet50"], "resnet50"])
def test_a_recipe_that_could_not_be_loaded_is_not_kept(kept, recipe):
    folder, head = kept
    with pytest.raises(InvalidInputError, match=r"recipe must be a dict of JSON; got .* Pass \{\} where"):
        save(head, folder, recipe=recipe)
    assert load(folder)[1] == RECIPE


def test_a_device_of_torch_is_kept_by_its_name(tmp_path, blobs):
    head = LogisticHead(0.1, device=torch.device("cpu")).fit(*blobs)
    assert load(save(head, tmp_path / "head", recipe={}))[0].device == "cpu"
