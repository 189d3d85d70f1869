"""`pipeline recipes`: what the named recipes of training set."""

from typing import Any

import click

from finetune.recipes import RECIPES, Recipe, recipe
from pipelines.cli.options import shared
from pipelines.cli.terminal.show import Column, table


@click.command("recipes")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@shared.common
def recipes_command(run: shared.Run, names: tuple[str, ...]) -> None:
    """Print the options that the named recipes set, or all recipes.

    Each line can be given to train and finetune as an option, or written into a study file.
    """
    found = {name: recipe(name).as_dict() for name in names or RECIPES}
    run.reporter.result({"recipes": found}, _text(found))


def _text(found: dict[str, dict[str, Any]]) -> list[str]:
    usual = Recipe().as_dict()
    rows = [
        [option.replace("_", "-"), *(_shown(values[option]) for values in found.values())]
        for option in usual
        if len(found) == 1 or any(values[option] != usual[option] for values in found.values())
    ]
    return table([Column("option"), *map(Column, found)], rows)


def _shown(value: Any) -> str:
    """A value as a command line or a study file takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
