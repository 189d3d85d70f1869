"""What there is to choose from: backbones, networks, recipes."""

import re
import xml.etree.ElementTree as ElementTree

import pytest


def test_backbones_are_listed_by_a_part_of_their_name(pipeline):
    listed = pipeline("backbones", "tf_efficientnet_lite", "--json").json
    assert "tf_efficientnet_lite0" in listed["backbones"]
    assert pipeline("backbones", "lite", "--packaged", "--json").json["count"] == 3


def test_backbones_are_filtered_and_sorted_by_their_sizes(pipeline):
    from extract.backbones.frozen import load

    found = pipeline("backbones", "test_*resnet*", "--sort", "parameters", "--max-parameters", 1e6, "--json").json[
        "sizes"
    ]
    assert [one["parameters"] for one in found] == sorted(one["parameters"] for one in found)
    assert all(one["parameters"] <= 1e6 for one in found)
    known, own = load("test_resnet", weights="untrained"), next(one for one in found if one["name"] == "test_resnet")
    sizes = (own["dimension"], own["flops"], own["image_size"])
    assert sizes == (known.dimension, known.flops, known.preprocessing.image_size[0])
    shown = pipeline("backbones", "lite0", "--packaged", "--sizes").out
    assert "dimension" in shown.splitlines()[0]  # as --sort names it
    assert re.search(r"tf_efficientnet_lite0 +3\.37 M +\d+ M +224 +1280 +packaged", shown), shown
    assert pipeline("backbones", "test_resnet", "--sort", "size").status == 2
    assert pipeline("backbones", "test_resnet", "--max-parameters", 5).out == "no backbone fits\n"


def test_the_options_of_a_recipe_are_printed(pipeline):
    from finetune.recipes import RECIPES

    assert pipeline("recipes", "--json").json["recipes"] == {name: one.as_dict() for name, one in RECIPES.items()}
    lines = [line.split() for line in pipeline("recipes", "cpu").out.splitlines()]
    assert ["optimizer", "muon"] in lines
    assert ["patience", "none"] in lines
    ended = pipeline("recipes", "fientune")
    assert ended.status == 2
    assert "Nearest: finetune." in ended.err


SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_on_the_command_line(pipeline, tmp_path):
    ended = pipeline(
        "describe", "--network", "densenet121", "--growth-rate", 12, "--drawing", tmp_path / "d.svg", "--json"
    )
    assert ended.status == 0
    answer = ended.json
    assert (answer["parameters"], round(answer["macs"] / 1e6), answer["layers"]) == (1_000_618, 125, 121)
    assert answer["flops"] == 2 * answer["macs"]
    assert [stage["output_shape"] for stage in answer["stages"]][1:3] == [[48, 16, 16], [96, 8, 8]]
    assert "growth rate 12" in " ".join(words((tmp_path / "d.svg").read_text()))
    shown = pipeline("describe", "--network", "resnet20", "--classes", 100).out
    assert re.search(
        r"layer3\s+64 × 8 × 8\s+6\s+203,520\s+74 %\s+26 M\s+\d+ %\s+216 kB\s+whole image \(theoretical 81\)", shown
    )
    assert re.search(r"layer1\s+16 × 32 × 32\s.*\s15 × 15", shown)
    assert ", 1 class\n" in pipeline("describe", "resnet20", "--classes", 1).out
    assert "weights: 1.11 MB with the statistics of norms" in shown
    assert re.search(r"FLOPs +share +activations +receptive field", shown)
    assert "3 x BasicBlock (3×3 conv, 16 | 3×3 conv, 16)" in shown


def test_several_networks_stand_side_by_side_however_they_are_named(pipeline):
    from finetune.analysis.describe import describe

    ways = (["vgg11", "--network", "resnet20"], ["--network", "vgg11,resnet20"], ["vgg11", "resnet20,vgg11"])
    answers = [pipeline("describe", *words, "--json").json for words in ways]
    assert answers[0] == answers[1] == answers[2]
    one, other = answers[0]["networks"]
    assert (one["network"], other["network"]) == ("vgg11", "resnet20")
    assert other["parameters"] == describe("resnet20").parameters
    for network in (one, other):
        for share in ("parameters_share", "macs_share"):
            assert sum(stage[share] for stage in network["stages"]) == pytest.approx(1)
    shown = pipeline("describe", "--network", "vgg11,resnet20").out
    assert re.search(r"vgg11 +resnet20\n", shown)
    assert re.search(r"parameters by stage, % +[\d /]+ {2,}0 / 5 / 19 / 75 / 0\n", shown)
    assert "arXiv:1409.1556" in shown
    assert "arXiv:1512.03385" in shown


@pytest.mark.parametrize("level", ["stages", "whole", "block"])
def test_a_network_is_drawn_at_each_level(pipeline, tmp_path, level):
    ended = pipeline("describe", "preact20", "--drawing", tmp_path / "d.svg", "--level", level)
    assert ended.status == 0, ended.err
    assert ("input" in words((tmp_path / "d.svg").read_text())) == (level == "block")


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--network", "resnet21"], "6n + 2"),
        (["--network", "desnet121"], "densenet121"),
        (
            ["--network", "vgg11", "--image-size", "16"],
            "at least 32 pixels for vgg11; got 16. Use --image-size 32 or more.",
        ),
        (["--network", "vgg11", "--drop-path", "0.1"], "vgg11 has"),
        (["--network", "vgg11", "--drawing", "a.png"], ".svg"),
        (["--network", "vgg11", "--drawing", "nowhere/a.svg"], "drawing must be a file that can be written"),
        (["--network", "vgg11", "--classes", "0"], "class count"),
        (["--network", "vgg11,resnet20", "--drawing", "a.svg"], "drawing must be of one network; got 2"),
        (["--network", "vgg11", "--level", "block"], "level must come with --drawing"),
        (["--network", "vgg11,"], "unknown network ''"),
    ],
)
def test_a_mistake_on_the_command_line_ends_in_one_sentence(pipeline, arguments, word):
    ended = pipeline("describe", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert word in ended.err
    assert ended.err.count("\n") == 1


def test_networks_are_listed(pipeline):
    assert pipeline("networks", "preact*", "--json").json["networks"][:2] == ["preact18", "preact20"]


@pytest.mark.parametrize(("options", "known"), [((), True), (("--width", 0.5), False), (("--depth", 32), False)])
def test_what_was_published_of_a_network_is_not_shown_of_another(pipeline, options, known):
    assert bool(pipeline("describe", "resnet20", *options, "--json").json["published"]) is known
    said = pipeline("describe", "resnet20,resnet56", *options).out
    assert ("91.25 %" in said) is known
    assert "91.25 % to 91.25 %" not in said
