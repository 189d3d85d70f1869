"""Options of the command line are those that dataclasses declare."""

from dataclasses import fields

import pytest
from click.testing import CliRunner

from finetune.architectures.options import Options
from finetune.recipes import Recipe
from pipelines.cli.commands.train import finetune_command, train_command
from pipelines.cli.group import pipeline
from pipelines.specs import NetworkSpec

NAMES = [one.name for source in (Recipe, Options) for one in fields(source)]


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_on_both_commands_with_its_own_name_and_an_explanation(name):
    assert NetworkSpec.declared()[name].help.endswith(".")
    for command in (train_command, finetune_command):
        flags = {parameter.name: parameter.opts for parameter in command.params}
        assert f"--{name.replace('_', '-')}" in flags[name]


@pytest.mark.parametrize(
    ("name", "headings"),
    [
        ("extract", ["Options", "Data", "Backbone", "Features", "Common options"]),
        ("train", ["Data", "Network", "Optimization", "Augmentation", "Output", "Common options"]),
        ("fit-head", ["Head", "Data", "Backbone", "Features", "Common options"]),
    ],
)
def test_help_lists_options_under_headings(name, headings):
    shown = CliRunner().invoke(pipeline, [name, "--help"]).output
    found = [line.removesuffix(":") for line in shown.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert set(headings) - {"Options"} <= set(found)
    assert found[-1] == "Common options"
    assert len(found) == len(set(found))


@pytest.mark.parametrize(
    ("words", "taken"),
    [
        *((words, set()) for words in ("backbones", "networks", "recipes", "describe", "features info")),
        *((words, {"--workspace"}) for words in ("runs", "compare", "cache trim")),
        *((words, {"--workspace", "--device", "--seed", "--threads"}) for words in ("extract", "train", "run", "demo")),
        *((words, {"--workspace", "--device", "--threads"}) for words in ("predict", "export")),
        ("report", {"--workspace", "--threads"}),
        ("doctor", {"--workspace", "--device"}),
    ],
)
def test_a_command_offers_the_common_options_that_act_in_it(words, taken):
    shown = CliRunner().invoke(pipeline, [*words.split(), "--help"]).output
    common = shown[shown.index("Common options:") :]
    assert {one for one in ("--workspace", "--device", "--seed", "--threads") if one in common} == taken
    assert all(one in common for one in ("--json", "--quiet", "--debug"))


def test_help_of_a_search_says_what_an_option_is_of_a_network_too():
    shown = " ".join(CliRunner().invoke(pipeline, ["search", "--help"]).output.split())
    assert "--optimizer sgd|adam|adamw|nesterov|muon linear, mlp: optimizer. --network: optimizer; muon is" in shown
    assert "linear, mlp, --network: share of the steps on which the learning rate rises." in shown
    assert "with --network none, from scratch" in shown


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("predict", "no internet connection is needed"),
        ("train", "A ResNet, PreActResNet, DenseNet or VGG, or any timm name"),
        ("finetune", "[default: short; from weights finetune]"),
    ],
)
def test_help_says_what_networks_and_recipes_there_are_and_which_network_predict_needs_not(name, words):
    assert words in " ".join(CliRunner().invoke(pipeline, [name, "--help"]).output.split())
