"""What processes that train together tell one another, and how they notice that one is gone."""

import threading
import time

import pytest

from finetune.training import mail
from finetune.training.mail import LostPeerError, Mail, lost_peers


class Store:
    """Keys and values, as torch's store has them."""

    def __init__(self):
        self.values = {}

    def set(self, key, value):
        self.values[key] = value.encode()

    def get(self, key):
        return self.values[key]

    def check(self, keys):
        return all(key in self.values for key in keys)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, seconds in {"LOOK": 0.01, "BEAT": 0.02, "SILENCE": 0.3, "LEAVE": 0.2}.items():
        monkeypatch.setattr(mail, f"{name}_SECONDS", seconds)


def test_the_others_hear_what_the_first_says_in_order_however_long_it_takes():
    store, heard = Store(), []

    def listen():
        other = Mail(store, rank=1, count=2)
        heard.extend(other.from_first(None) for _ in range(2))

    thread = threading.Thread(target=listen)
    first = Mail(store, rank=0, count=2)
    with first.heartbeat():
        thread.start()
        time.sleep(0.6)  # twice the silence that is borne: it lives
        first.from_first({"loss": 0.1})
        first.from_first(None)
        thread.join(5)
    assert heard == [{"loss": 0.1}, None]


def test_a_first_process_that_is_stopped_or_killed_is_missed():
    with pytest.raises(LostPeerError, match="has been silent"):
        Mail(Store(), rank=1, count=2).from_first(None)


def test_a_first_process_that_fails_says_so_at_once():
    store = Store()
    with pytest.raises(ZeroDivisionError), Mail(store, rank=0, count=2).heartbeat():
        raise ZeroDivisionError
    with pytest.raises(LostPeerError, match="has failed"):
        Mail(store, rank=1, count=2).from_first(None)


@pytest.mark.parametrize(
    "text",
    [
        "[../third_party/gloo/gloo/transport/tcp/pair.cc:534] Read error [127.0.0.1]:3: Connection reset by peer",
        "NCCL communicator was aborted on rank 1",
    ],
)
def test_a_killed_peer_is_one_sentence(text):
    with pytest.raises(LostPeerError, match="must all stay; one is gone"), lost_peers():
        raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="another"), lost_peers():
        raise RuntimeError("another matter")
