"""Pages from the code: commands and options from click, recipes, and the options of heads."""

import json
from collections.abc import Iterable, Sequence

import click

from generating.markdown import literal, table, written


def commands() -> str:
    """Describe every command with its options; those that many of them take stand in one table at the top."""
    from pipelines.cli.group import pipeline
    from pipelines.cli.options.declared import COMMON, headed

    found = [(name, command, headed(command.params)) for name, command in _commands(pipeline, "pipeline")]
    intro = "A command takes those that act in it; its `--help` lists them."
    parts = [f"## {COMMON}\n\n{intro}\n\n", _option_table(found[0][2][COMMON])]
    for name, command, headings in found:
        parts += [f"\n## {name}\n\n", f"```text\n{_usage(name, command)}\n```\n\n", _prose(command.help or "")]
        for heading, options in headings.items():
            if heading != COMMON:
                parts += [f"{heading}:\n\n" if len(headings) > 2 else "", _option_table(options), "\n"]
    return "".join(parts)


def _commands(group: click.Group, prefix: str) -> Iterable[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        own_options = isinstance(command, click.Group) and not command.invoke_without_command
        if not own_options:
            yield f"{prefix} {name}", command
        if isinstance(command, click.Group):
            yield from _commands(command, f"{prefix} {name}")


def _usage(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name)
    return " ".join([name, *command.collect_usage_pieces(context)])


def _prose(text: str) -> str:
    paragraphs = [" ".join(part.replace("\b", "").split()) for part in text.split("\n\n")]
    return "".join(f"{literal(part)}\n\n" for part in paragraphs if part)


def _option_table(options: Sequence[click.Option]) -> str:
    context = click.Context(click.Command("pipeline"))
    rows = []
    for option in options:
        record = option.get_help_record(context)
        if record is not None:
            names, text = record
            rows.append([f"`{names}`", text.replace("  [", " [")])
    return table(["option", "meaning"], rows)


def recipes() -> str:
    """Show the options in which the recipes differ."""
    from click.testing import CliRunner

    from pipelines.cli.group import pipeline

    found = json.loads(CliRunner().invoke(pipeline, ["recipes", "--json"]).stdout)["recipes"]
    options = [name for name in next(iter(found.values())) if len({str(one[name]) for one in found.values()}) > 1]
    rows = [[f"`--{name.replace('_', '-')}`", *(written(one[name]) for one in found.values())] for name in options]
    return table(["option", *(f"`{name}`" for name in found)], rows)


def head_options() -> str:
    """List every option of every head with its default and its meaning."""
    from heads.registry import kinds, options

    rows = [
        [f"`{kind}`", f"`{name}`", one.default_text or written(one.default), one.help]
        for kind in kinds()
        for name, one in options(kind).items()
    ]
    return table(["head", "option", "default", "meaning"], rows)
