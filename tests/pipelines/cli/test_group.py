"""How the command line ends."""

import re
import signal
import subprocess
import sys

import pytest
from click.shell_completion import BashComplete

from pipelines.cli import group
from pipelines.workspace import signals
from tests.pipelines.fitting import TINY


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
    monkeypatch.setattr("pipelines.workspace.inventory.inventory", lambda _: signal.raise_signal(number))
    ended = pipeline("cache", "--json")
    assert ended.status == status
    assert ended.json["exit_status"] == status
    assert ended.err.strip() == f"error: {ended.json['error']}"
    assert "interrupted" in ended.err


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("words", "inside", "kept"),
    [
        (
            ("fit-head", "--dataset", "digits"),
            "pipelines.tasks.extract.extract",
            "the head that was being chosen is not",
        ),
        (("train", "--dataset", "digits"), "pipelines.tasks.train.train", "checkpoint"),
        (("report",), "pipelines.report.build.build", "does it anew"),
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

    monkeypatch.setattr("pipelines.workspace.inventory.inventory", full)
    ended = pipeline("cache")
    assert ended.status == 1
    assert ended.err.startswith("error: disk must have room for " + (f"'{path}'" if path else "a file"))
    assert "Free some space" in ended.err


@pytest.mark.parametrize(
    ("words", "begun", "ends"),
    [([], "fit", "fit-head"), (["train"], "--optim", "--optimizer"), (["runs"], "--join", "--join-seeds")],
)
def test_a_shell_completes_commands_and_options(words, begun, ends):
    completion = BashComplete(group.pipeline, {}, "pipeline", "_PIPELINE_COMPLETE")
    assert [one.value for one in completion.get_completions(words, begun)] == [ends]


def test_python_runs_the_package_as_the_command():
    ended = subprocess.run([sys.executable, "-m", "pipelines", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"pipeline, version \S+\n", ended.stdout)


def test_help_imports_nothing_heavy():
    code = "import sys; from pipelines.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted(set(sys.modules) & {'torch','timm','h5py','joblib','sklearn','rich'}), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fit-head" in ended.stdout
    assert ended.stderr.strip() == "[]"


def test_a_cached_answer_imports_neither_torch_nor_timm(pipeline, tmp_path):
    assert pipeline("extract", *TINY).status == 0
    words = ["extract", *TINY, "--json", "--workspace", str(tmp_path / "workspace")]
    code = f"import sys; from pipelines.cli import main; main({words!r})"
    code += "\nprint(sorted(set(sys.modules) & {'torch', 'timm', 'sklearn'}), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"cached": true' in ended.stdout
    assert ended.stderr.strip() == "[]"
