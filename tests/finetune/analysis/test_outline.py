"""The drawing of a network for one slide, as an XML parser sees it."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from finetune.analysis.describe import describe
from finetune.analysis.outline import CHARACTER, LETTERS, WIDTH, outline


def _texts(svg: str) -> list[tuple[str, float, float]]:
    """(text, x, y) of every line."""
    root = ElementTree.fromstring(svg)
    return [(one.text or "", float(one.get("x")), float(one.get("y"))) for one in root if one.tag.endswith("text")]


@pytest.mark.parametrize("name", ["resnet20", "densenet-bc-22-12", "vgg11", "test_vit", "vit_tiny_patch16_224"])
def test_texts_beside_one_another_are_apart_and_large(name):
    svg = outline(describe(name))
    sizes = [float(size) for size in re.findall(r"font-size='([\d.]+)'", svg)]
    assert min(sizes) >= LETTERS
    lines: dict[float, list[tuple[float, float]]] = {}
    for text, x, y in _texts(svg):
        start = 0.0 if x == 0 else x - len(text) * CHARACTER / 2
        lines.setdefault(y, []).append((start, start + len(text) * CHARACTER))
    for line in (sorted(one) for one in lines.values() if len(one) > 2):
        assert all(before[1] <= after[0] + 1 for before, after in itertools.pairwise(line))
        assert line[-1][1] <= WIDTH + 1


def test_it_says_what_each_stage_holds_and_costs():
    described = describe("resnet20")
    said = [text for text, _, _ in _texts(outline(described))]
    assert "64×8×8" in said
    assert said.count("3 BasicBlocks") + said.count("3 BasicBlock") == 3
    shares = [int(re.search(r"\((\d+)%\)", text)[1]) for text in said if text.endswith("%)")]
    assert abs(sum(shares[::2]) - 100) <= 3
    assert abs(sum(shares[1::2]) - 100) <= 3
    assert "15×15" in said
