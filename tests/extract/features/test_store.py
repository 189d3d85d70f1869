"""The feature file: whole or refused."""

import os
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from extract.errors import CorruptFileError, InvalidInputError
from extract.features.store import FeatureFile, FeatureWriter
from tests.extract.features.written import ROWS, features_of, make_layout, write_all


def test_what_was_written_is_read(tmp_path):
    write_all(tmp_path / "f.h5", make_layout())
    file = FeatureFile(tmp_path / "f.h5")
    assert file.shapes == {"test": (2, 37, 8), "train": (2, 100, 8)}
    assert file.spec["note"] == "é<script>"
    assert file.class_names == ("a", "b")
    read = file.read("train")
    assert np.array_equal(read.features, features_of("train", 0, 100))
    assert read.ids[99] == "train/99"
    assert not (tmp_path / "f.h5.partial").exists()


def test_groups_are_part_of_the_content_and_of_what_can_be_resumed(tmp_path):
    without, contents = make_layout(), []
    for number, factor in enumerate((1, 1, 2)):
        splits = {
            name: replace(rows, groups=np.arange(len(rows.labels)) // 10 * factor)
            for name, rows in without.splits.items()
        }
        layout, path = replace(without, splits=splits), tmp_path / f"{number}.h5"
        write_all(path, without, only=2)
        assert not write_all(path, layout)
        assert np.array_equal(FeatureFile(path).read("test").groups, splits["test"].groups)
        contents.append(FeatureFile(path).content)
    write_all(tmp_path / "without.h5", without)
    assert FeatureFile(tmp_path / "without.h5").read("test").groups is None
    assert contents[0] == contents[1] != contents[2] != FeatureFile(tmp_path / "without.h5").content


def test_features_that_are_large_for_the_memory_are_mapped_and_their_checksums_still_hold(tmp_path, monkeypatch):
    path = tmp_path / "f.h5"
    write_all(path, make_layout())
    whole = FeatureFile(path).read("train")
    monkeypatch.setattr("extract.features.store.available_memory", lambda: 1)
    mapped = FeatureFile(path).read("train").features
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, whole.features)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0, 0, 0] = 1
    del mapped  # Windows lets nobody write to what is mapped
    with h5py.File(path, "r+") as file:
        file["train"]["features"][1, 50, 2] = 3
    with pytest.raises(CorruptFileError, match="rows 48 to 63 of train"):
        FeatureFile(path).read("train")


def test_two_writings_are_the_same_bytes_resumed_or_not(tmp_path):
    write_all(tmp_path / "once.h5", make_layout())
    assert not write_all(tmp_path / "twice.h5", make_layout(), only=2)
    assert not (tmp_path / "twice.h5").exists()
    assert write_all(tmp_path / "twice.h5", make_layout())
    assert (tmp_path / "once.h5").read_bytes() == (tmp_path / "twice.h5").read_bytes()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no signal that kills")
def test_a_killed_writing_is_resumed_where_it_stopped(tmp_path):
    write_all(tmp_path / "once.h5", make_layout())
    path = tmp_path / "killed.h5"
    code = (
        "import os, signal\n"
        "from pathlib import Path\n"
        "from extract.features.store import FeatureWriter\n"
        "from tests.extract.features.written import features_of, make_layout\n"
        f"writer = FeatureWriter(Path({str(path)!r}), make_layout())\n"
        "for start, stop in writer.missing('train')[:3]:\n"
        "    writer.write('train', start, features_of('train', start, stop))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False)
    assert ended.returncode == -signal.SIGKILL
    with FeatureWriter(path, make_layout()) as writer:
        assert writer.resumed
        assert writer.missing("train") == [(48, 64), (64, 80), (80, 96), (96, 100)]
    assert write_all(path, make_layout())
    assert path.read_bytes() == (tmp_path / "once.h5").read_bytes()


def test_a_kill_just_before_the_file_gets_its_name_costs_no_block(tmp_path, monkeypatch):
    write_all(tmp_path / "once.h5", make_layout())

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / "f.h5", make_layout())
    monkeypatch.undo()
    with FeatureWriter(tmp_path / "f.h5", make_layout()) as writer:
        assert writer.resumed
        assert [writer.missing(name) for name in ROWS] == [[], []]
        writer.finish()
    assert (tmp_path / "f.h5").read_bytes() == (tmp_path / "once.h5").read_bytes()


def test_a_complete_file_without_its_name_but_with_damaged_rows_is_made_anew(tmp_path):
    write_all(tmp_path / "once.h5", make_layout())
    content = bytearray((tmp_path / "once.h5").read_bytes())
    content[content.index(features_of("test", 0, 16)[1, 3].tobytes())] ^= 1
    (tmp_path / "f.h5.partial").write_bytes(content)
    assert not write_all(tmp_path / "f.h5", make_layout())
    assert (tmp_path / "f.h5").read_bytes() == (tmp_path / "once.h5").read_bytes()


def test_a_block_whose_rows_are_not_those_of_its_checksum_is_computed_again(tmp_path):
    path = tmp_path / "f.h5"
    write_all(path, make_layout(), only=3)
    with h5py.File(tmp_path / "f.h5.partial", "r+", libver=("v108", "v108")) as file:
        file["train"]["features"][0, 20, 3] = 7
    with FeatureWriter(path, make_layout()) as writer:
        assert writer.resumed
        assert writer.missing("train") == [(16, 32), (48, 64), (64, 80), (80, 96), (96, 100)]


@pytest.mark.parametrize(
    "change",
    [{"engine": "compiled"}, {"spec": {"backbone": "other"}}, {"versions": {"numpy": "0"}}, {"block_rows": 32}],
)
def test_a_partial_file_of_another_run_is_not_resumed(tmp_path, change):
    write_all(tmp_path / "f.h5", make_layout(), only=3)
    assert not write_all(tmp_path / "f.h5", make_layout(**change))


def test_a_partial_file_of_garbage_is_made_anew(tmp_path):
    (tmp_path / "f.h5.partial").write_bytes(os.urandom(5000))
    assert not write_all(tmp_path / "f.h5", make_layout())
    FeatureFile(tmp_path / "f.h5").verify()


def test_foreign_older_and_half_written_files_are_refused_with_the_reason(whole, tmp_path):
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(CorruptFileError, match="feature file must be one of this project"):
        FeatureFile(tmp_path / "text.h5")
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1, 2]
    with pytest.raises(CorruptFileError, match="feature file must be one of this project"):
        FeatureFile(tmp_path / "foreign.h5")
    (tmp_path / "old.h5").write_bytes(whole.replace(b'"schema":1', b'"schema":0', 1))
    with pytest.raises(CorruptFileError, match="schema is 0, this version reads 1"):
        FeatureFile(tmp_path / "old.h5")
    write_all(tmp_path / "half.h5", make_layout(), only=3)
    (tmp_path / "half.h5.partial").rename(tmp_path / "half.h5")
    with pytest.raises(CorruptFileError, match="never completed"):
        FeatureFile(tmp_path / "half.h5")
    for none in (tmp_path / "none.h5", str(tmp_path / "none.h5")):
        with pytest.raises(InvalidInputError, match="must exist"):
            FeatureFile(none)


def test_damaged_rows_are_named(whole, tmp_path):
    (tmp_path / "f.h5").write_bytes(whole)
    with h5py.File(tmp_path / "f.h5", "r+") as file:
        file["train"]["features"][1, 50, 2] = 3
    with pytest.raises(CorruptFileError, match="rows 48 to 63 of train do not match"):
        FeatureFile(tmp_path / "f.h5").verify()


def test_many_long_class_names_fit(tmp_path):
    names = tuple(f"class {index} {'ü' * 40}" for index in range(5000))
    write_all(tmp_path / "f.h5", make_layout(class_names=names))
    assert FeatureFile(tmp_path / "f.h5").class_names == names


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
from test_store import make_layout, write_all
from extract.errors import TransferBenchError
try:
    write_all(Path({path!r}), make_layout())
except TransferBenchError as error:
    print("refused:", error)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="no file size limits on this system")
def test_a_full_disk_is_an_error_and_leaves_nothing_that_looks_complete(tmp_path):
    path = tmp_path / "f.h5"
    script = FULL_DISK.format(tests=os.path.dirname(__file__), path=str(path))
    # -B: what the limit cuts off must not be bytecode that later processes read.
    ended = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, check=False)
    assert ended.stdout.startswith("refused: disk must have room"), ended.stderr
    assert not path.exists()
    assert not write_all(path, make_layout())
    FeatureFile(path).verify()
