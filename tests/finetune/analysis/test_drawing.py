"""The drawing of a network."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

from extract.runtime.formats import amount
from finetune.analysis.describe import describe
from finetune.analysis.drawing import drawing

SVG = "{http://www.w3.org/2000/svg}"


def words(svg: str) -> list[str]:
    return [one.text or "" for one in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_the_drawing_shows_every_stage_and_block():
    description = describe("densenet-bc-40-12")
    shown = words(drawing(description))
    for stage in description.stages:
        assert stage.name in shown
        assert all(label in shown for block in stage.blocks for label in block.layers)
    assert shown.count("×6") == 3
    assert "whole image" in shown
    assert "90 × 90" not in shown  # of images 32 pixels wide
    assert any("concatenation" in one for one in shown)
    assert not any("residual" in one for one in shown)


def test_the_drawing_counts_in_the_units_of_the_table():
    description = describe("resnet20")
    shown = words(drawing(description))
    assert all(amount(2 * stage.macs) in shown for stage in description.stages)
    assert {"FLOPs", "receptive field"} <= set(shown)
    assert not any(word in one for one in shown for word in ("multiply", "sees"))


def test_the_drawing_lies_within_its_frame():
    root = ElementTree.fromstring(drawing(describe("preact20")))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for one in root.iter(f"{SVG}rect"):
        if "x" in one.attrib:
            assert 0 <= float(one.attrib["x"]) <= float(one.attrib["x"]) + float(one.attrib["width"]) <= width
            assert 0 <= float(one.attrib["y"]) <= float(one.attrib["y"]) + float(one.attrib["height"]) <= height


def test_names_in_the_drawing_are_escaped():
    description = replace(describe("resnet8"), network="<script>&'\"")
    svg = drawing(description)
    assert "<script>" not in svg
    assert words(svg)[0] == "<script>&'\""
