"""The sentences of `pipeline rank`."""

import pytest
from msgspec.structs import replace

from pipelines.cli.commands.rank import advice
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

ONE = RankedBackbone(
    backbone="resnet18", weights="packaged", dimension=8, parameters=9, flops=9, logme=0.1, h_score=2.0,
    accuracy=0.9, interval=(0.8, 0.95), difference=0.0, difference_interval=(0.0, 0.0), p_value=1.0, file_bytes=9,
    seconds=None,
)  # fmt: skip
FOUND = RankingResult(
    dataset="photos", rows=500, images=900, backbones=[ONE], recommended="resnet18", seconds=1.0, created="2026"
)


def test_a_single_backbone_is_not_said_to_beat_others():
    said = "recommended: resnet18, on 500 training images of photos: the only one that was ranked"
    assert advice(FOUND, rows=500) == [said]


@pytest.mark.parametrize(("rows", "is_said"), [(500, True), (2000, False)])
def test_more_images_are_recommended_only_where_there_may_be_some(rows, is_said):
    two = replace(FOUND, backbones=[ONE, replace(ONE, backbone="resnet50", flops=99)])
    (said,) = advice(two, rows=rows)
    assert said.startswith("recommended: resnet18, on 500 training images of photos: no difference shown from resnet50")
    assert said.endswith("More images tell more: --subset") == is_said
