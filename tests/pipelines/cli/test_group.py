"""How the command line ends."""

import signal

import pytest

from pipelines import signals


@pytest.fixture
def interruptible():
    """Ctrl-C reaches the command, though a shell may have started the tests in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", signals.SIGNALS)
def test_a_signal_ends_with_one_sentence_and_one_json_object(pipeline, monkeypatch, number):
    status = 128 + number
    monkeypatch.setattr("pipelines.inventory.inventory", lambda _: signal.raise_signal(number))
    ended = pipeline("cache", "--json")
    assert ended.status == status
    assert ended.json["exit_status"] == status
    assert ended.err.strip() == f"error: {ended.json['error']}"
    assert "interrupted" in ended.err


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("words", "inside", "kept"),
    [
        (("fit-head", "--dataset", "digits"), "pipelines.stages.extract", "the head that was being chosen is not"),
        (("train", "--dataset", "digits"), "pipelines.stages.train", "checkpoint"),
        (("runs",), "pipelines.table.rows", "does it anew"),
    ],
)
def test_what_is_kept_is_said_of_the_very_command(pipeline, monkeypatch, words, inside, kept):
    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(inside, interrupted)
    assert kept in pipeline(*words).err


@pytest.mark.parametrize("path", ["/a/full.h5", None])
def test_a_full_disk_met_anywhere_is_one_sentence_with_the_remedy(pipeline, monkeypatch, path):
    def full(_):
        raise OSError(28, "No space left on device", path) if path else OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.inventory.inventory", full)
    ended = pipeline("cache")
    assert ended.status == 1
    assert ended.err.startswith("error: disk must have room for " + (f"'{path}'" if path else "a file"))
    assert "Free some space" in ended.err
