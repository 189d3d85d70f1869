"""The live line, as a terminal shows it and as a log holds it."""

import fcntl
import os
import struct
import termios

import pytest

from finetune.training.config import TrainingProgress
from pipelines.cli.terminal import reporter, streams
from pipelines.cli.terminal.live import ProgressStep
from pipelines.cli.terminal.reporter import tell_failure
from pipelines.cli.terminal.text import cells, message_width
from pipelines.training.progress import ProgressReporter
from pipelines.workspace.context import Context
from tests.pipelines.cli.screens import Seen


@pytest.fixture
def seen(monkeypatch):
    """Makes a terminal of so many columns and puts it in the place of stderr."""

    def make(columns=80):
        screen = Seen(columns)
        monkeypatch.setattr("sys.stderr", screen)
        monkeypatch.setattr(streams, "_state", streams._State())
        return screen

    return make


def context(reporter):
    return Context(
        None, "cpu", progress=reporter.progress, notice=reporter.notice, status=reporter.status, doing=reporter.doing,
        job=reporter.job,
    )  # fmt: skip


def moment(epoch, *, step=0, over=False):
    row = {"training_loss": 1.2345, "training_accuracy": 0.456, "validation_accuracy": 0.441} if over else None
    return TrainingProgress(epoch, 10, step, 100, 1.5, 0.4, 0.05, 200.0, float("inf"), row)


LONG = "12/36 densenet-bc-16-12 from scratch on cifar10 (cpu, learning rate 0.05)"


@pytest.mark.parametrize("columns", [60, 80, 140])
@pytest.mark.parametrize("label", ["", "3/36", LONG], ids=["alone", "short label", "long label"])
@pytest.mark.parametrize("what", ["images", "points of the loss landscape", "画像" * 20], ids=["short", "long", "wide"])
def test_bar_count_speed_and_time_left_fit_one_line_at_every_width(seen, columns, label, what):
    screen = seen(columns)
    reporter = screen.reporter()
    with reporter.job(label):
        for done in (0, 100, 12_345):
            reporter.progress(done, 45_000, what)
            screen.tick(30)
        (line,) = screen.lines()
        assert cells(line) < columns
        assert "12345/45000" in line
        assert "206/s" in line
        assert line.endswith("2:09")
        assert "━" in line
        assert "─" in line


def test_jobs_that_end_in_pairs_have_the_pace_of_a_pair():
    step = ProgressStep("jobs", 0.0, 20)
    for done, now in enumerate((0, 140, 147, 287, 294, 434, 441)):
        step.count(done, now=now)
        assert done < 2 or 70 <= 1 / step.speed() <= 100
    assert step.seconds_left(now=441) == pytest.approx(14 / step.speed())


def test_an_epochs_line_stays_above_the_bar_and_nothing_else_does(seen):
    screen = seen()
    reporter = screen.reporter()
    watch = ProgressReporter(context(reporter), images=1000)
    reporter.doing("first training step")
    screen.tick()
    assert screen.lines() == ["first training step  0:01"]
    for epoch in (1, 2):
        for step in (20, 50, 90):
            watch.report(moment(epoch, step=step))
            screen.tick()
        watch.report(moment(epoch, over=True, step=100))
    watch.report(moment(3, step=50))
    *epochs, bar = screen.lines()
    assert epochs == [f"epoch {n}/10  loss 1.234  train 45.6 %  val 44.1 %  lr 0.05" for n in (1, 2)]
    assert bar.startswith("epoch 3/10  ━")
    assert "2500/10000" in bar
    reporter.result({}, ["done"])
    assert screen.lines() == epochs


def test_a_step_that_is_over_leaves_nothing(seen):
    screen = seen()
    reporter = screen.reporter()
    for done in range(3):
        reporter.progress(done, 2, "images")
    assert screen.lines() == []
    reporter.progress(1, 3, "candidates")
    reporter.doing("fitting the head")
    assert screen.lines() == ["fitting the head  0:00"]
    reporter.doing("")
    assert screen.lines() == []


def test_a_job_stands_before_its_lines_and_goes_with_them(seen):
    screen = seen()
    reporter = screen.reporter()
    watch = ProgressReporter(context(reporter), images=1000)
    for number in (1, 2):
        reporter.progress(number - 1, 5, "trials")
        with reporter.job(f"trial {number}/5"):
            watch.report(moment(1, step=50))
            screen.tick()
            assert screen.lines()[-1].startswith(f"trial {number}/5  epoch 1/10  ━")
            watch.report(moment(1, over=True))
        assert screen.lines()[number - 1 :] == [
            f"trial {number}/5  epoch 1/10  loss 1.234  train 45.6 %  val 44.1 %  lr 0.05"
        ]
    reporter.progress(2, 5, "trials")
    screen.tick()
    assert screen.lines()[-1].startswith("trials  ━")
    assert "2/5" in screen.lines()[-1]
    assert "1.0/s" in screen.lines()[-1]  # measured over the trials, not since the last of them


def test_an_error_takes_the_place_of_the_line_whoever_tells_it(seen):
    screen = seen()
    screen.reporter().progress(1, 3, "images")
    streams.tell("error: interrupted")
    assert screen.lines() == ["error: interrupted"]


def test_an_error_is_broken_between_words_on_a_terminal(seen, monkeypatch):
    screen = seen(80)
    tell_failure("one of these " * 12)
    assert len(screen.getvalue().splitlines()) == 1  # a log
    monkeypatch.setattr(reporter, "message_width", lambda: 80)
    screen.write("^C")  # as the terminal itself shows the key
    tell_failure("one of these " * 12)
    assert all(line.endswith(("one", "of", "these")) for line in screen.lines()[-2:])
    assert "^C" not in "".join(screen.lines())


def test_the_width_of_messages_is_that_of_the_terminal_of_stderr(monkeypatch):
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 63, 0, 0))
    with open(slave, "w") as terminal, open(os.devnull, "w") as log:
        monkeypatch.setattr("sys.stderr", terminal)
        assert message_width() == 63
        monkeypatch.setattr("sys.stderr", log)
        assert message_width() is None
    os.close(master)


def test_a_message_stands_above_the_bar(seen):
    screen = seen()
    reporter = screen.reporter()
    reporter.progress(1, 3, "images")
    reporter.notice("left out: \x1b[2Jcat\nfish.png")
    assert screen.lines()[0] == r"left out: \x1b[2Jcat fish.png"
    assert screen.lines()[1].startswith("images  ━")


def test_a_long_message_is_broken_between_words_and_only_on_a_terminal(seen):
    words = " ".join(f"word{number}" for number in range(30))
    screen = seen(60)
    screen.reporter().notice(words)
    lines = screen.lines()
    assert " ".join(line.strip() for line in lines) == words
    assert all(len(line) <= 60 for line in lines)
    log = seen()
    log.reporter(on_terminal=False).notice(words)
    assert log.getvalue() == words + "\n"


def test_a_log_has_a_plain_line_a_minute_and_one_an_epoch(seen):
    screen = seen()
    reporter = screen.reporter(on_terminal=False)
    watch = ProgressReporter(context(reporter), images=1000)
    with reporter.job("3/36 resnet20"):
        reporter.doing("compiling the network")
        for _ in range(70):
            screen.tick()
        for step in range(100):
            watch.report(moment(1, step=step))
            screen.tick()
        watch.report(moment(1, over=True))
    assert screen.getvalue().splitlines() == [
        "3/36 resnet20  compiling the network: 1 min 00 s so far",
        "3/36 resnet20  epoch 1/10: 490 of 10000 training images, 10/s, 15 min 50 s left",
        "3/36 resnet20  epoch 1/10  loss 1.234  train 45.6 %  val 44.1 %  lr 0.05",
    ]


def test_a_log_names_no_time_that_has_not_passed_and_none_left_of_work_that_stalls(seen):
    screen = seen()
    reporter = screen.reporter(on_terminal=False)
    for _ in range(70):
        screen.tick()
    reporter.doing("reading the run")
    reporter.progress(0, 20, "images")
    screen.tick()
    reporter.progress(10, 20, "images")
    for _ in range(70):
        screen.tick()
    assert screen.getvalue().splitlines() == ["reading the run", "images: 10 of 20, 10/s"]


def test_a_terminal_without_the_signs_of_a_bar_gets_others(seen):
    screen = seen()
    screen.encoding = "ascii"
    screen.reporter().progress(1, 2, "images")
    (line,) = screen.lines()
    assert line.isascii()
    assert "====" in line


@pytest.mark.parametrize("on_terminal", [True, False])
def test_quiet_says_nothing_but_the_answer(seen, capsys, on_terminal):
    screen = seen()
    reporter = screen.reporter(on_terminal=on_terminal, quiet=True)
    watch = ProgressReporter(context(reporter), images=1000)
    with reporter.job("1/2"):
        reporter.doing("compiling")
        reporter.notice("a message")
        watch.report(moment(1, step=50))
        watch.report(moment(1, over=True))
        screen.tick(100)
    reporter.result({}, ["done"])
    assert screen.getvalue() == ""
    assert capsys.readouterr().out == "done\n"
