"""The spec of a network: options, recipes and names."""

from dataclasses import fields

import pytest

from extract.data.datasets import Located
from extract.runtime.options import options_of
from finetune.architectures.options import Options
from finetune.recipes import RECIPES, SPEED_ONLY, Recipe
from pipelines.specs import NetworkKey, NetworkSpec, resolve_network

OTHER = {
    **{
        name: [value for value in one.choices if value != one.default][-1]
        for name, one in options_of(Recipe).items()
        if one.choices
    },
    "schedule": "one-cycle",
    "bias_decay": True,
    "patience": 3,
    "clip_norm": 1.0,
    "layer_decay": 0.5,
    "final_norm": False,
    "depth": 14,
    "growth_rate": 12,
    "norm": "group",
    "precision": "bfloat16",
    "stem": "cifar",
    "class_weights": "balanced",
}
WITH = {"criterion": {"patience": 3}}  # what an option must come with


NAMES = [one.name for source in (Recipe, Options) for one in fields(source)]


def key(tmp_path, **given) -> NetworkKey:
    spec = NetworkSpec.of(**{"recipe": "standard", "validation": "0.1", "precision": "float32", **given})
    return resolve_network(spec, located=Located("digits", "0" * 64, None), device="cpu", workspace=tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_every_option_changes_the_run_unless_it_only_changes_speed(tmp_path, name):
    present = getattr(Recipe(), name, None)
    value = OTHER[name] if name in OTHER else 0.3 if isinstance(present, float) or present is None else present + 1
    common = WITH.get(name, {})
    plain, other = key(tmp_path, **common), key(tmp_path, **common, **{name: value})
    if name in SPEED_ONLY:
        assert plain.run() == other.run()
        assert NetworkSpec.of(**{name: value}).speed() != NetworkSpec().speed()
    else:
        assert plain.run() != other.run()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_is_its_own_unless_overridden(name):
    assert NetworkSpec.of(recipe=name).resolved_recipe() == RECIPES[name]
    assert NetworkSpec.of(recipe=name, epochs=7).resolved_recipe().epochs == 7


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "resnet20 from scratch (short)"),
        ({"epochs": 1, "learning_rate": 0.05}, "resnet20 from scratch (short, 1 epoch, learning rate 0.05)"),
        ({"learning_rate": RECIPES["short"].learning_rate}, "resnet20 from scratch (short)"),
        ({"epochs": 3, "optimizer": "adamw", "mixup": 0.2, "width": 0.5}, "resnet20 width 0.5 from scratch (short, 3 "
         "epochs, optimizer adamw, mixup 0.2)"),
        ({"bias_decay": True, "crop": 0}, "resnet20 from scratch (short, bias decay, crop 0)"),
        ({"precision": "float32", "seed": 3, "subset": 1000}, "resnet20 from scratch (short)"),
        ({"mode": "frozen", "weights": "untrained"}, "resnet20 fine-tuned frozen"),
    ],
)  # fmt: skip
def test_a_name_tells_what_of_the_recipe_was_changed(tmp_path, given, expected):
    from pipelines.training.results import name

    spec = NetworkSpec.of(network="resnet20", **given)
    one = resolve_network(spec, located=Located("cifar10", "0" * 64, None), device="cpu", workspace=tmp_path)
    assert name(one, dataset="cifar10") == expected


def test_a_key_comes_back_from_its_text(tmp_path):
    one = key(tmp_path, mixup=0.2, width=0.5)
    assert NetworkKey.from_text(one.text()) == one


def test_several_processes_are_another_run_unless_nothing_is_trained(tmp_path):
    def together(count, **given):
        spec = NetworkSpec.of(validation="0.1", **given)
        located = Located("digits", "0" * 64, None)
        return resolve_network(spec, located=located, device="cpu", workspace=tmp_path, processes=count)

    alone, two, frozen = together(1), together(2), {"mode": "frozen", "weights": "untrained"}
    assert "processes" not in alone.as_dict()
    assert two.as_dict() == {**alone.as_dict(), "processes": 2}
    assert NetworkKey.from_text(two.text()) == two
    assert len({alone.run(), two.run(), together(3).run()}) == 3
    assert together(1, **frozen).run() == together(2, **frozen).run()
