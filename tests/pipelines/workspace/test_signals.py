"""Requests to end: obeyed once in good order, at once when somebody insists, and not where they are ignored."""

import os
import runpy
import signal
import time
from types import SimpleNamespace

import pytest

from extract.runtime import locks
from pipelines.workspace import signals

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, which this system cannot")


def status_of(body):
    """The exit status of a child that runs `body`, with Ctrl-C not ignored."""
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            body()
        except signals.Terminated as ended:
            os._exit(int(ended.code))
        except KeyboardInterrupt:
            os._exit(99)
        except BaseException:  # noqa: BLE001 (the child must not go on as pytest)
            os._exit(98)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def send(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)


@pytest.mark.parametrize("number", [one for one in signals.SIGNALS if one != signal.SIGINT])
def test_a_step_is_finished_before_any_signal_is_obeyed(number):
    def body():
        with signals.obeyed(at_once=print), signals.deferred() as asked:
            send(number)
            send(number)  # the scheduler says it again
            if not asked():
                os._exit(97)

    assert status_of(body) == 128 + number


def test_a_second_ctrl_c_ends_a_step_and_the_third_whatever_comes_after_it():
    def twice():
        with signals.obeyed(at_once=print), signals.deferred():
            send(signal.SIGINT)
            send(signal.SIGINT)
            os._exit(97)

    def thrice():
        with signals.obeyed(at_once=lambda status: None):
            try:
                send(signal.SIGINT)
            except KeyboardInterrupt:
                send(signal.SIGINT)
            os._exit(97)

    assert status_of(twice) == 99
    assert status_of(thrice) == 130


def test_what_is_ignored_stays_ignored():
    def body():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with signals.obeyed(at_once=print), signals.deferred() as asked:
            send(signal.SIGHUP)
            os._exit(5 if not asked() else 97)

    assert status_of(body) == 5


def test_the_handlers_of_before_are_put_back():
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    with signals.obeyed(at_once=print), signals.deferred():
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in signals.SIGNALS} == before


def test_torchrun_passing_on_a_ctrl_c_is_no_second_one(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")

    def body():
        with signals.obeyed(at_once=print), signals.deferred():
            send(signal.SIGINT)
            send(signal.SIGINT)
            print("finished the step", flush=True)
            os.environ["REACHED"] = "1"

    def told():
        try:
            body()
        except KeyboardInterrupt:
            os._exit(7 if os.environ.get("REACHED") else 97)

    assert status_of(told) == 7


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 99), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_signal_that_comes_within_a_finalizer_is_obeyed_too(number, status):
    class Dropped:
        def __del__(self):
            signal.raise_signal(number)

    def body():
        with signals.obeyed(lambda status: None):
            Dropped()
            time.sleep(5)

    def on_windows():  # there os.kill ends a process at once, with the number as its status
        signals.os = SimpleNamespace(**vars(os) | {"name": "nt", "kill": lambda _, number: os._exit(number)})
        with signals.obeyed(lambda status: None):
            Dropped()
            [time.sleep(0.01) for _ in range(500)]

    assert status_of(body) == status_of(on_windows) == status


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_lock_that_is_being_freed_when_a_signal_comes_is_freed(tmp_path, monkeypatch, number):
    def body():
        with signals.obeyed(at_once=print):
            try:
                with locks.Lock(tmp_path / "lock"):
                    pass
                time.sleep(9)
            except BaseException:
                if locks.Lock(tmp_path / "lock").take(within=0.0):
                    raise

    unlock = locks._unlock
    monkeypatch.setattr(locks, "_unlock", lambda descriptor: send(number) or unlock(descriptor))
    assert status_of(body) == (99 if number == signal.SIGINT else 143)


def test_a_console_that_is_closed_on_windows_asks_for_the_end(monkeypatch):
    monkeypatch.setattr(signal, "SIGBREAK", 21, raising=False)  # its number there
    assert 21 in runpy.run_path(signals.__file__)["SIGNALS"]
