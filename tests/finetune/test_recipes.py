"""Named recipes, their ranges, and overriding."""

import dataclasses
from dataclasses import replace

import pytest

from extract.errors import InvalidInputError
from extract.runtime.options import options_of
from finetune.recipes import RECIPES, Recipe, doubts, overridden, recipe, suited


def test_the_named_recipes_are_whole_and_primitive():
    assert set(RECIPES) >= {"standard", "short", "cpu", "airbench94"}
    for one in RECIPES.values():
        assert all(value is None or isinstance(value, bool | int | float | str) for value in one.as_dict().values())
    standard = recipe("standard")
    literature = {"epochs": 200, "learning_rate": 0.1, "momentum": 0.9, "weight_decay": 5e-4, "batch_size": 128}
    literature |= {"schedule": "cosine", "crop": 4, "crop_padding": "zero", "flip": "random", "optimizer": "sgd"}
    assert standard.as_dict().items() >= literature.items()


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InvalidInputError, match=r"unknown recipe 'airbnch94'\. Nearest: airbench94"):
        recipe("airbnch94")
    with pytest.raises(InvalidInputError, match=r"unknown recipe option 'learning-rat'\. Nearest: learning-rate"):
        overridden(recipe("short"), learning_rat=0.1)
    with pytest.raises(InvalidInputError, match=r"unknown schedule 'cosin'\. Nearest: cosine"):
        overridden(recipe("short"), schedule="cosin")


def test_overriding_changes_what_is_given_and_nothing_else():
    changed = overridden(recipe("short"), epochs=3, ema=0.99, mixup=None)
    assert changed == dataclasses.replace(recipe("short"), epochs=3, ema=0.99)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0), ("epochs", 1.5), ("epochs", True), ("batch_size", -1), ("learning_rate", 0), ("momentum", 1),
        ("learning_rate", float("nan")), ("weight_decay", -1e-4), ("warmup", 1.0), ("label_smoothing", -0.1),
        ("clip_norm", 0.0), ("layer_decay", 0.0), ("layer_decay", 1.1), ("randaugment", 11), ("crop", -1),
        ("patience", 0), ("color_jitter", 1), ("ema", 1), ("accumulate", 0), ("accumulate", 129), ("bias_decay", 1),
        ("accumulate", 3), ("epochs", "3"), ("mixup", "0.2"),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(option, value):
    with pytest.raises(InvalidInputError, match=f"{option.replace('_', '-')} must be"):
        overridden(Recipe(), **{option: value})


@pytest.mark.parametrize("option", [name for name, one in options_of(Recipe).items() if one.choices])
def test_every_choice_is_accepted(option):
    for value in options_of(Recipe)[option].choices:
        assert getattr(overridden(Recipe(), **{option: value}), option) == value


@pytest.mark.parametrize(("side", "crop"), [(8, 1), (16, 2), (28, 3), (32, 4), (224, 4), (None, 4)])
def test_a_crop_is_padded_by_an_eighth_of_the_side_at_most(side, crop):
    assert suited(RECIPES["short"], side=side, mirrors=True) == replace(RECIPES["short"], crop=crop)


def test_where_a_mirrored_image_is_none_of_its_class_nothing_is_mirrored():
    for name in RECIPES:
        found = suited(RECIPES[name], side=32, mirrors=False)
        assert (found.flip, found.tta) == ("none", "none")
        assert doubts(found, side=32, mirrors=False) == []


def test_what_is_asked_for_and_doubtful_is_said_and_what_hides_an_image_is_refused():
    recipe = replace(RECIPES["short"], crop=4, flip="random")
    assert len(doubts(recipe, side=8, mirrors=False)) == 2
    assert len(doubts(recipe, side=8, mirrors=True)) == 1
    for name in ("crop", "cutout"):
        with pytest.raises(InvalidInputError, match=f"{name} must be below the 8 pixels"):
            doubts(replace(recipe, **{name: 8}), side=8, mirrors=True)
