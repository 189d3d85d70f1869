"""Data sets, subsets, and what is refused."""

import contextlib
import functools
import io
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from extract.data import cifar, datasets, digits, folder
from extract.data.bad_images import without_unreadable
from extract.data.images import stratified_rows, subset
from extract.decoding import decode
from extract.errors import CorruptFileError, InvalidInputError


@given(
    labels=st.lists(st.integers(0, 5), min_size=1, max_size=200).map(np.array),
    share=st.floats(0.01, 1.0),
    seed=st.integers(0, 9),
)
@settings(max_examples=200)
def test_a_stratified_sample_keeps_every_share_within_one(labels, share, seed):
    count = max(int(share * len(labels)), 1)
    rows = stratified_rows(labels, count, seed=seed)
    assert len(rows) == count
    assert np.array_equal(rows, np.unique(rows))
    for label in np.unique(labels):
        expected = (labels == label).sum() * count / len(labels)
        assert abs((labels[rows] == label).sum() - expected) < 1 + 1e-6
    assert np.array_equal(rows, stratified_rows(labels, count, seed=seed))


def test_digits_are_split_alike_every_time():
    first, second = digits.load(), digits.load()
    assert len(first.splits["train"]) == 1437
    assert len(first.splits["test"]) == 360
    assert first.splits["test"].ids == second.splits["test"].ids
    assert not set(first.splits["train"].ids) & set(first.splits["test"].ids)
    assert np.bincount(first.splits["test"].labels).min() >= 34


def test_a_subset_is_stratified_and_another_seed_takes_others():
    whole = digits.load()
    one = subset(whole, train=100, test=None, seed=0)
    assert np.bincount(one.splits["train"].labels).tolist() == pytest.approx([10] * 10, abs=1)
    assert len(one.splits["test"]) == 360
    assert one.splits["train"].ids != subset(whole, train=100, test=None, seed=1).splits["train"].ids


@pytest.mark.parametrize(("train", "test", "word"), [(1438, None, "--subset"), (None, 361, "--test-subset")])
def test_a_subset_larger_than_the_data_is_refused(train, test, word):
    with pytest.raises(InvalidInputError, match=f"{word} must be from 1 to the"):
        subset(digits.load(), train=train, test=test, seed=0)


def test_cifar_10_is_read_as_published(cifar_dir):
    located = datasets.locate("cifar10", cifar_dir, download_dir=Path("nowhere"))
    images = datasets.load(located)
    train, test = images.splits["train"], images.splits["test"]
    assert images.class_names[0] == "airplane"
    assert images.class_names[9] == "truck"
    assert train.images.array.shape == (50000, 3, 32, 32)
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    mean = train.images.array.mean((0, 2, 3)) / 255
    assert mean == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-4)


def test_an_altered_cifar_file_is_refused(cifar_dir, tmp_path):
    copy = tmp_path / "cifar-10-batches-py"
    shutil.copytree(cifar_dir / "cifar-10-batches-py", copy)
    for path in copy.iterdir():
        path.chmod(0o644)
    content = bytearray((copy / "data_batch_3").read_bytes())
    content[1_000_000] ^= 1
    (copy / "data_batch_3").write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"data_batch_3.* must have the official md5"):
        datasets.locate("cifar10", tmp_path, download_dir=tmp_path)


def test_cifar_100_layout_is_checked(tmp_path):
    (tmp_path / "cifar-100-python").mkdir()
    for name in ("meta", "train", "test"):
        (tmp_path / "cifar-100-python" / name).write_bytes(b"not it")
    with pytest.raises(CorruptFileError, match="official md5"):
        cifar.fingerprint("cifar100", cifar.find("cifar100", tmp_path))


def test_a_folder_of_photographs_is_split_by_class(photo_folder):
    images = folder.load(photo_folder)
    assert images.class_names == ("flower", "temple")
    assert len(images.splits["train"]) + len(images.splits["test"]) == 16
    assert set(images.splits["test"].labels.tolist()) == {0, 1}


def test_train_and_val_folders_are_the_splits(photo_folder, tmp_path):
    root = tmp_path / "split"
    shutil.copytree(photo_folder, root / "train")
    shutil.copytree(photo_folder, root / "val")
    images = folder.load(root)
    assert len(images.splits["train"]) == len(images.splits["test"]) == 16
    assert images.splits["test"].ids[0].startswith("val/flower/")


def test_the_fingerprint_follows_content_not_time(photo_folder, tmp_path):
    before = folder.fingerprint(photo_folder)
    moved = tmp_path / "moved"
    shutil.copytree(photo_folder, moved)
    assert folder.fingerprint(moved) == before
    Image.new("RGB", (9, 9)).save(moved / "flower" / "0.jpg")
    assert folder.fingerprint(moved) != before


def test_photographs_come_upright(tmp_path):
    image = Image.new("RGB", (20, 10), "red")
    exif = image.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert decode.decode(tmp_path / "turned.jpg").size == (10, 20)


def test_an_unreadable_image_is_named_or_left_out(photo_folder):
    good = (photo_folder / "flower" / "0.jpg").read_bytes()
    (photo_folder / "flower" / "cut.jpg").write_bytes(good[: len(good) // 2])
    (photo_folder / "temple" / "no.png").write_bytes(b"no image")
    for name in ("flower/cut.jpg", "temple/no.png"):
        with pytest.raises(decode.UnreadableImage, match=name):
            decode.decode(photo_folder / name)
    kept, skipped = without_unreadable(folder.load(photo_folder))
    assert sorted(skipped) == ["flower/cut.jpg", "temple/no.png"]
    assert sum(len(split) for split in kept.splits.values()) == 16


def test_what_is_no_data_set_is_refused(photo_folder, tmp_path):
    (tmp_path / "bare").mkdir()
    with pytest.raises(InvalidInputError, match="must hold class folders with images"):
        folder.load(tmp_path / "bare")
    with pytest.raises(InvalidInputError, match=r"unknown data set 'cifar11' \(no such folder; built in: cifar10, "):
        datasets.locate("cifar11", None, download_dir=tmp_path)


def test_test_classes_must_be_training_classes(photo_folder, tmp_path):
    root = tmp_path / "odd"
    shutil.copytree(photo_folder, root / "train")
    shutil.copytree(photo_folder, root / "test")
    (root / "test" / "temple").rename(root / "test" / "castle")
    with pytest.raises(InvalidInputError, match="must be among the training classes; got 'castle'"):
        folder.load(root)


@pytest.mark.parametrize("names", [("Train", "Test"), ("training", "testing"), ("train", "valid"), ("TRAIN", "Val")])
def test_split_folders_are_known_by_their_usual_names_in_any_case(names, photo_folder, tmp_path):
    root = tmp_path / "split"
    for name in names:
        shutil.copytree(photo_folder, root / name)
    images = folder.load(root)
    assert images.class_names == ("flower", "temple")
    assert len(images.splits["train"]) == len(images.splits["test"]) == 16
    assert images.notices[0] == "32 images, 2 classes, 16 each"
    assert len(images.notices) == 2  # and that the test images are those of training


def test_hidden_folders_are_passed_over_at_any_depth(photo_folder):
    before, digest = folder.load(photo_folder), folder.fingerprint(photo_folder)
    for place in ("flower/.ipynb_checkpoints", "flower/more/__MACOSX", "__MACOSX"):
        (photo_folder / place).mkdir(parents=True)
        shutil.copy(photo_folder / "flower" / "0.jpg", photo_folder / place / "0.jpg")
    assert folder.load(photo_folder).splits["train"].ids == before.splits["train"].ids
    assert folder.fingerprint(photo_folder) == digest


def test_a_class_without_a_readable_image_is_named(photo_folder):
    for path in (photo_folder / "temple").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(InvalidInputError, match="must keep a readable image in the train split; got none of 'temple'"):
        without_unreadable(folder.load(photo_folder))


def test_a_class_with_one_image_is_named(photo_folder):
    (photo_folder / "single").mkdir()
    shutil.copy(photo_folder / "flower" / "0.jpg", photo_folder / "single" / "0.jpg")
    with pytest.raises(InvalidInputError, match="got 1 of 'single'"):
        folder.load(photo_folder)


def test_a_name_that_is_not_utf_8_is_refused(photo_folder):
    shutil.copy(photo_folder / "flower" / "0.jpg", os.fsencode(photo_folder / "flower") + b"/x\xff.jpg")
    with pytest.raises(InvalidInputError, match=r"valid UTF-8; got '.*x\\udcff.jpg'"):
        folder.fingerprint(photo_folder)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.pgm"])
def test_16_bit_levels_are_scaled_and_not_cut_off(name, tmp_path):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    if name.endswith("pgm"):
        (tmp_path / name).write_bytes(b"P5 16 16 65535\n" + levels.astype(">u2").tobytes())
    else:
        Image.fromarray(levels).save(tmp_path / name)
    np.testing.assert_array_equal(np.asarray(decode.decode(tmp_path / name))[..., 1], levels // 257)


def test_levels_of_no_known_range_are_refused(tmp_path):
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "float.tif")
    with pytest.raises(decode.UnreadableImage, match="mode F, have no known range"):
        decode.decode(tmp_path / "float.tif")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["AVIF", "TIFF", "WEBP", "GIF", "JPEG2000"]), place=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_damaged_file_is_read_or_named_whatever_its_format(kind, place, bit, tmp_path):
    path = tmp_path / "image.bin"
    content = bytearray(encoded(kind))
    content[int(place * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)
    with contextlib.suppress(decode.UnreadableImage):
        assert decode.decode(path).mode == "RGB"


@functools.cache
def encoded(kind):
    """A small image in a format."""
    stream = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(stream, kind)
    return stream.getvalue()


class Downloaded:
    """In the place of torchvision's data set: unpacks the files one by one, counts how often, can be interrupted."""

    count = 0
    interrupted = False

    def __init__(self, root, download):
        type(self).count += 1
        place = Path(root) / "cifar-100-python"
        place.mkdir()
        (place / "meta").write_bytes(b"")
        if self.interrupted:
            raise KeyboardInterrupt
        for name in ("train", "test"):
            (place / name).write_bytes(b"")


def test_an_interrupted_download_leaves_nothing_and_the_next_one_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR100", Downloaded)
    monkeypatch.setattr(Downloaded, "interrupted", True)
    with pytest.raises(KeyboardInterrupt):
        cifar.download("cifar100", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
    monkeypatch.setattr(Downloaded, "interrupted", False)
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "meta").write_bytes(b"")  # an older version was killed here
    assert not cifar.is_in("cifar100", tmp_path)
    assert cifar.download("cifar100", tmp_path) == tmp_path / "cifar-100-python"
    assert cifar.is_in("cifar100", tmp_path)


def test_of_two_that_want_a_data_set_one_downloads_it(tmp_path, monkeypatch):
    monkeypatch.setattr("torchvision.datasets.CIFAR100", Downloaded)
    monkeypatch.setattr(Downloaded, "count", 0)
    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _: cifar.download("cifar100", tmp_path), range(4)))
    assert (places, Downloaded.count) == ({tmp_path / "cifar-100-python"}, 1)
