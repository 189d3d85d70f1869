"""The `pipeline` command, its sub-commands, and how errors end it."""

import json
import signal
import sys
import traceback

import click

from extract.errors import PipelineError, nearest
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


class Terminated(SystemExit):
    """SIGTERM came: everything is left in good order, as for any exit, and then the end is told."""


INTERRUPTED = "interrupted; what was finished is kept, and the same command goes on from there"


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and exits: 0 done, 2 the user's mistake, 1 a failure, 130 interrupted, 143 terminated."""
    words = sys.argv[1:] if arguments is None else arguments
    signal.signal(signal.SIGTERM, _terminate)
    try:
        pipeline.main(words, standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as shown:
        print(shown.format_message(), file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail(INTERRUPTED, 130, words)
    except Terminated:
        _fail(INTERRUPTED, 143, words)
    except click.ClickException as error:
        _fail(_sentence(error), 2, words)
    except PipelineError as error:
        _fail(str(error), error.exit_code, words)
    except Exception as error:  # noqa: BLE001 (the last resort: every failure ends in a sentence, --debug shows the rest)
        _fail(f"{type(error).__name__}: {error} (--debug shows where)", 1, words)


def _terminate(*_: object) -> None:
    raise Terminated(143)


def _sentence(error: click.ClickException) -> str:
    text = " ".join(error.format_message().split())
    if isinstance(error, click.NoSuchOption) and not error.possibilities:
        text += f" {nearest(error.option_name, _known_options(error.ctx))}"
    return text


def _known_options(context: click.Context | None) -> list[str]:
    if context is None:
        return []
    return [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]


def _fail(sentence: str, status: int, words: list[str]) -> None:
    if "--debug" in words:
        traceback.print_exc()
    print(f"error: {sentence}", file=sys.stderr)  # noqa: T201
    if "--json" in words:
        print(json.dumps({"error": escaped(sentence), "exit_status": status}))  # noqa: T201
    sys.exit(status)
