"""What there is to choose from: backbones, networks, recipes."""


def test_backbones_are_listed_by_a_part_of_their_name(pipeline):
    listed = pipeline("backbones", "tf_efficientnet_lite", "--json").json
    assert "tf_efficientnet_lite0" in listed["backbones"]
    assert pipeline("backbones", "lite", "--packaged", "--json").json["count"] == 3


def test_the_options_of_a_recipe_are_printed(pipeline):
    from finetune.recipes import RECIPES

    assert pipeline("recipes", "--json").json["recipes"] == {name: one.as_dict() for name, one in RECIPES.items()}
    lines = [line.split() for line in pipeline("recipes", "cpu").out.splitlines()]
    assert ["optimizer", "muon"] in lines
    assert ["patience", "none"] in lines
    ended = pipeline("recipes", "fientune")
    assert ended.status == 2
    assert "Nearest: finetune." in ended.err
