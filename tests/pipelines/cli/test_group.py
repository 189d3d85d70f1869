"""How the command line ends."""

import signal

import pytest


@pytest.fixture
def interruptible():
    """Ctrl-C reaches the command, though a shell may have started the tests in the background, where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_one_sentence_and_one_json_object(pipeline, monkeypatch, number, status):
    monkeypatch.setattr("pipelines.inventory.inventory", lambda _: signal.raise_signal(number))
    ended = pipeline("cache", "--json")
    assert ended.status == status
    assert ended.json["exit_status"] == status
    assert ended.err.strip() == f"error: {ended.json['error']}"
    assert "interrupted" in ended.err
