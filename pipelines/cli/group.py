"""The `pipeline` command, its sub-commands, and the exit status of errors."""

import errno
import os
import re
import signal
import sys
import traceback

import click
from click.shell_completion import shell_complete

from extract.errors import InvalidInputError, TransferBenchError, nearest, sentence
from extract.runtime.disk import storage_error
from extract.runtime.memory import enough_for
from pipelines.cli.commands import (
    ablate,
    audit,
    demo,
    export,
    extract,
    fit_head,
    predict,
    rank,
    report,
    run,
    search,
    train,
)
from pipelines.cli.inspect import architectures, cache, compare, doctor, explain, features, runs
from pipelines.cli.terminal import streams
from pipelines.cli.terminal.process import kept_quiet
from pipelines.cli.terminal.reporter import json_text, tell_failure
from pipelines.workspace import signals

EPILOG = (
    "Exit status: 0 done, 1 a failure, 2 a mistake in the command or its files, 130 interrupted by Ctrl-C, "
    "128 + N ended by signal N, 141 nobody reads the answer."
)
COMPLETION = "_PIPELINE_COMPLETE"  # set by the shell for completion of a line

NO_NUMBER = re.compile("Invalid value for '(.+)': '(.*)' is not a valid (integer|float)")  # click's sentence
LESS_MEMORY = "Use a smaller --batch-size or --image-size, or fewer images"


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="transfer-bench")
def pipeline() -> None:
    """Transfer learning for image classification: frozen backbones, heads on their features, one protocol."""


COMMANDS = (
    *(rank.rank_command, extract.extract_command, audit.audit_command),
    *(fit_head.fit_head_command, train.train_command, train.finetune_command),
    *(search.search_command, ablate.ablate_command, run.run_command, predict.predict_command, export.export_command),
    *(
        report.report_command,
        compare.compare_command,
        explain.explain_command,
        runs.runs_command,
        features.features_group,
    ),
    *(architectures.backbones_command, architectures.networks_command, architectures.recipes_command),
    *(architectures.describe_command, doctor.doctor_command, cache.cache_group, demo.demo_command),
)
for command in COMMANDS:
    pipeline.add_command(command)

# What an interrupted command leaves for the same command to go on with.
KEPT = {
    "extract": "the features of the images so far are kept, and the same command goes on from there",
    "fit-head": "features and finished heads are kept, the head that was being chosen is not: it is begun anew",
    "train": "its checkpoint is kept, if it had begun, and the same command goes on from there",
    "finetune": "its checkpoint is kept, if it had begun, and the same command goes on from there",
    "search": "the trials that ended are kept, a network's checkpoint too, and the same command goes on from there",
    "ablate": "trainings that ended are kept, checkpoints too, and the same command goes on from there",
    "audit": "features are kept, the audit is begun anew",
    "rank": "features are kept, and the same command goes on from there",
    "run": "jobs that ended, features and checkpoints are kept, and the same command goes on from there",
    "demo": "jobs and trials that ended are kept, and the same command goes on from there",
}
NOTHING_KEPT = "the same command does it anew"


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 2 the user's mistake, 1 a failure, 128 + N ended by signal N.

    141: whoever reads stdout has gone. Without `arguments` the process is this command's own, and ends with it.
    """
    words = sys.argv[1:] if arguments is None else arguments
    streams.prepare(is_own=arguments is None)
    with (
        signals.obeyed(at_once=lambda status: _fail(_interrupted("a second time", words), status, words)),
        kept_quiet(unless="--debug" in words),
    ):
        status = _status(words)
        if arguments is None:
            streams.leave(status)
    if status:
        sys.exit(status)


def _status(words: list[str]) -> int:
    """The exit status of the command line `words`, whose answer or failure has been printed."""
    try:
        with streams.reserved():
            status = _run(words)
    except streams.ClosedPipe:
        return streams.CLOSED_PIPE
    except TransferBenchError as error:
        tell_failure(str(error))
        return error.exit_code
    return status


def _run(words: list[str]) -> int:
    """Runs by click's parts: its own `main` would give a closed pipe another meaning."""
    try:
        if COMPLETION in os.environ:
            return shell_complete(pipeline, {}, "pipeline", COMPLETION, os.environ[COMPLETION])
        _must_say_something(words)
        _must_have_folder()
        with pipeline.make_context("pipeline", list(words)) as context, enough_for("the command", remedy=LESS_MEMORY):
            pipeline.invoke(context)
    except BaseException as error:  # noqa: BLE001 (the last resort: every end has a status, every failure a sentence)
        status, failure = _meaning(error, words)
        if failure is not None and COMPLETION not in os.environ:  # the prompt, where a shell asks, has no place for it
            _fail(failure, status, words)
        return status
    return 0


def _must_say_something(words: list[str]) -> None:
    """Raises InvalidInputError for an empty word, which would mean this folder where a path belongs."""
    for before, word in zip(["", *words], words, strict=False):
        name, _, value = word.partition("=")
        if not word or (name.startswith("--") and name != word and not value):
            raise InvalidInputError(
                f"words of a command must not be empty; got '' after {(name or before or 'pipeline')!r}. Leave it out, "
                "or give its variable a value."
            )


def _must_have_folder() -> None:
    """Raises InvalidInputError where the current folder is gone: without one torch's libraries end the process."""
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise InvalidInputError(
            "current folder must be there; got one that was removed. Change to another: cd DIR."
        ) from error


def _meaning(error: BaseException, words: list[str]) -> tuple[int, str | None]:
    """(exit status, what to say) of what ended a command."""
    match error:
        case click.exceptions.NoArgsIsHelpError():
            streams.tell(error.format_message())
            return 2, None
        case click.exceptions.Exit():
            return error.exit_code, None
        case KeyboardInterrupt() | click.Abort():
            return 128 + signal.SIGINT, _interrupted("by Ctrl-C", words)
        case signals.Terminated():
            return int(error.code or 0), _interrupted(f"by {error.signal_name}", words)
        case SystemExit():
            return int(error.code or 0), None
        case click.ClickException():
            return 2, _sentence(error)
        case TransferBenchError():
            return error.exit_code, str(error)
        case OSError(errno=errno.ENAMETOOLONG):
            return 2, f"path must be no longer than it can be; got {error.filename!r} ({error.strerror}). Shorten it."
        case OSError() if (full := storage_error(error)) is not None:
            return full.exit_code, str(full)
        case _:
            return 1, f"{sentence(error)} (--debug shows the traceback)"


def _interrupted(by: str, words: list[str]) -> str:
    command = next((word for word in words if word in pipeline.commands), "")
    return f"interrupted {by}; {KEPT.get(command, NOTHING_KEPT)}"


def _sentence(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, _known_options(error.ctx))
        where = " Options stand behind their command." if error.ctx and error.ctx.parent is None else ""
        return f"unknown option {error.option_name!r}. {near}{where}"
    if isinstance(error, click.exceptions.NoSuchCommand):
        known = error.ctx.command.commands if error.ctx and isinstance(error.ctx.command, click.Group) else ()
        return f"unknown command {error.command_name!r}. {nearest(error.command_name, known)}"
    text = " ".join(error.format_message().split()).rstrip(".")
    if isinstance(error, click.MissingParameter) and error.param is not None:
        text = f"{error.param.get_error_hint(error.ctx)} must be given; got none".replace("'", "")
    if found := NO_NUMBER.fullmatch(text):
        text = f"{found[1]} must be a {'whole ' * (found[3] == 'integer')}number; got {found[2]!r}"
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{text}." if context is None else f"{text}. `{context.command_path} --help` shows what it takes."


def _known_options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [
        name for parameter in context.command.get_params(context) for name in parameter.opts if name.startswith("--")
    ]


def _fail(failure: str, status: int, words: list[str]) -> None:
    if "--debug" in words:
        streams.tell(traceback.format_exc().rstrip())
    tell_failure(failure)
    if "--json" in words:
        streams.answer(json_text({"error": failure, "exit_status": status}))
