"""The drawing of one block, for slides."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest

from finetune.analysis.block_drawing import block_drawing, typical_block
from finetune.analysis.describe import describe

SVG = "{http://www.w3.org/2000/svg}"
SLIDE_HEIGHT = 374.0  # points that a picture has on a slide of 7.5 inches


@pytest.mark.parametrize("network", ["resnet18", "preact18", "densenet121", "vgg16"])
def test_every_step_is_drawn_within_the_frame_in_letters_that_the_back_row_reads(network):
    description = describe(network)
    found = typical_block(description)
    root = ElementTree.fromstring(block_drawing(description))
    texts, height = list(root.iter(f"{SVG}text")), float(root.attrib["height"])
    shown = [one.text for one in texts]
    assert [step for step in found[1].steps if step != "join"] == [one for one in shown if one in found[1].steps]
    assert ("+" in shown, "c" in shown) == (found[1].link == "add", found[1].link == "concat")
    scale = min(SLIDE_HEIGHT / height, 1.0)
    assert min(scale * float(one.attrib["font-size"]) for one in texts) >= 11
    for one in texts:
        wide = 0.56 * float(one.attrib["font-size"]) * len(one.text)
        left = float(one.attrib["x"]) - (wide / 2 if one.attrib["text-anchor"] == "middle" else 0)
        assert 0 <= left <= left + wide <= float(root.attrib["width"])
        assert 0 < float(one.attrib["y"]) <= height


def test_the_most_frequent_block_with_a_link_is_the_typical_one():
    stage, block = typical_block(describe("densenet121"))
    assert (stage.name, block.kind, block.count) == ("block3", "DenseLayer", 24)


def test_a_network_without_known_steps_has_none_and_names_are_escaped():
    description = describe("resnet8")
    assert "<b>" not in block_drawing(replace(description, network="<b>"))
    assert block_drawing(replace(description, stages=description.stages[-1:])) is None
