"""The sentences of `pipeline rank`."""

from pipelines.cli.commands.rank import advice
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult


def test_a_single_backbone_is_not_said_to_beat_others():
    one = RankedBackbone(
        backbone="resnet18", weights="packaged", dimension=8, parameters=9, flops=9, logme=0.1, h_score=2.0,
        accuracy=0.9, interval=(0.8, 0.95), difference=0.0, difference_interval=(0.0, 0.0), p_value=1.0, file_bytes=9,
        seconds=None,
    )  # fmt: skip
    found = RankingResult(
        dataset="photos", rows=500, images=900, backbones=[one], recommended="resnet18", seconds=1.0, created="2026"
    )
    assert advice(found) == ["recommended: resnet18, on 500 training images of photos: the only one that was ranked"]
