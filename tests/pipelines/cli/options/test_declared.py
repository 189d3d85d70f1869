"""Options of the command line are those that dataclasses declare."""

from dataclasses import fields

import pytest

from finetune.architectures.options import Options
from finetune.recipes import Recipe
from pipelines.cli.commands.train import finetune_command, train_command
from pipelines.specs import NetworkSpec

NAMES = [one.name for source in (Recipe, Options) for one in fields(source)]


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_on_both_commands_with_its_own_name_and_an_explanation(name):
    assert NetworkSpec.declared()[name].help.endswith(".")
    for command in (train_command, finetune_command):
        flags = {parameter.name: parameter.opts for parameter in command.params}
        assert f"--{name.replace('_', '-')}" in flags[name]
