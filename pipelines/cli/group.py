"""The `pipeline` command, its sub-commands, and how errors end it."""

import json
import signal
import sys
import traceback

import click

from extract.disk import storage_error
from extract.errors import PipelineError, nearest
from pipelines import signals
from pipelines.cli import (
    backbones,
    cache,
    compare,
    demo,
    describe,
    doctor,
    export,
    extract,
    features,
    finetune,
    fit_head,
    predict,
    report,
    run,
    runs,
    search,
    train,
)
from pipelines.cli.show import escaped

EPILOG = "Exit status: 0 done, 1 a failure, 2 a mistake in what was asked."


class Commands(click.Group):
    """A group that names the nearest command to an unknown one, in one sentence."""

    def resolve_command(self, ctx: click.Context, args: list[str]):
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(f"command must be a known one; got {args[0]!r}. {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}
)
@click.version_option(package_name="transfer-bench")
def pipeline() -> None:
    """Transfer learning for image classification: frozen backbones, heads on their features, one protocol."""


for command in (
    extract.extract_command,
    fit_head.fit_head_command,
    predict.predict_command,
    export.export_command,
    compare.compare_command,
    runs.runs_command,
    report.report_command,
    features.features_group,
    backbones.backbones_command,
    describe.networks_command,
    describe.describe_command,
    doctor.doctor_command,
    demo.demo_command,
    run.run_command,
    cache.cache_group,
    search.search_command,
    train.train_command,
    finetune.finetune_command,
):
    pipeline.add_command(command)


# What an interrupted command leaves for the same command to go on with.
KEPT = {
    "extract": "the features of the images so far are kept, and the same command goes on from there",
    "fit-head": "features and finished heads are kept, the head that was being chosen is not: it is begun anew",
    "train": "its checkpoint is kept, if it had begun, and the same command goes on from there",
    "finetune": "its checkpoint is kept, if it had begun, and the same command goes on from there",
    "search": "the trials that ended are kept, a network's checkpoint too, and the same command goes on from there",
    "run": "jobs that ended, features and checkpoints are kept, and the same command goes on from there",
    "demo": "jobs and trials that ended are kept, and the same command goes on from there",
}
NOTHING_KEPT = "the same command does it anew"


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 2 the user's mistake, 1 a failure, 128 + N ended by signal N."""
    words = sys.argv[1:] if arguments is None else arguments
    with signals.obeyed(at_once=lambda status: _tell(_interrupted("a second time", words), status, words)):
        _run(words)


def _run(words: list[str]) -> None:
    try:
        pipeline.main(words, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        print(shown.format_message(), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(_interrupted("by Ctrl-C", words), 128 + signal.SIGINT, words)
    except signals.Terminated as ended:
        _fail(_interrupted(f"by {ended.signal_name}", words), int(ended.code or 0), words)
    except click.ClickException as error:
        _fail(_sentence(error), 2, words)
    except PipelineError as error:
        _fail(str(error), error.exit_code, words)
    except Exception as error:  # noqa: BLE001 (the last resort: every failure ends in a sentence, --debug shows the rest)
        if (told := storage_error(error)) is not None:
            _fail(str(told), told.exit_code, words)
        _fail(f"{type(error).__name__}: {error} (--debug shows where)", 1, words)


def _interrupted(how: str, words: list[str]) -> str:
    command = next((word for word in words if word in pipeline.commands), "")
    return f"interrupted {how}; {KEPT.get(command, NOTHING_KEPT)}"


def _sentence(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption):
        near = nearest(error.option_name, _known_options(error.ctx))
        return f"option must be a known one; got {error.option_name!r}. {near}"
    return " ".join(error.format_message().split())


def _known_options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]


def _fail(sentence: str, status: int, words: list[str]) -> None:
    _tell(sentence, status, words)
    sys.exit(status)


def _tell(sentence: str, status: int, words: list[str]) -> None:
    if "--debug" in words:
        traceback.print_exc()
    print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    if "--json" in words:
        print(json.dumps({"error": escaped(sentence), "exit_status": status}), flush=True)  # noqa: T201
