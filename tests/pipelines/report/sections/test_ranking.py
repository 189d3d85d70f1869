"""The section of `pipeline rank`: what each backbone costs, and which is recommended."""

import altair
import pytest

from pipelines.report.page.blocks import Table
from pipelines.report.sections.ranking import rankings as section
from pipelines.report.study.study import gather
from pipelines.workspace import stored
from pipelines.workspace.parts.inspections import RankedBackbone, RankingResult

COSTS = {"large": (9e9, 0.93, 1.0), "small": (1e9, 0.92, 0.4), "tiny": (2e8, 0.41, 0.0001)}


@pytest.fixture
def kept(workspace):
    """Keep a ranking whose seconds are known of some backbones."""

    def keep(*timed):
        ranked = [
            RankedBackbone(
                backbone=name, weights="packaged", dimension=8, parameters=9, flops=int(flops), logme=0.1, h_score=2.0,
                accuracy=accuracy, interval=(accuracy - 0.02, accuracy + 0.02), difference=accuracy - 0.93,
                difference_interval=(-1.0, 1.0), p_value=p_value, seconds=5.0 if name in timed else None, file_bytes=9,
            )
            for name, (flops, accuracy, p_value) in COSTS.items()
        ]  # fmt: skip
        found = RankingResult(
            dataset="photos", rows=500, images=900, backbones=ranked, recommended="small", seconds=1.0,
            created="2026-11-27T00:00:00+00:00",
        )  # fmt: skip
        stored.write(workspace / "rankings" / "one.json", found)
        return section(gather(workspace, None)).figures()

    return keep


def test_every_backbone_is_named_at_its_cost_with_its_verdict(kept):
    flops, seconds = kept("large", "small", "tiny")
    altair.Chart.from_dict({**flops.chart, "width": 300})
    points = flops.chart["layer"][-1]["data"]["values"]
    assert [(one["name"], one["cost"]) for one in points] == [(name, flops) for name, (flops, *_) in COSTS.items()]
    verdicts = [one["verdict"] for one in points]
    assert verdicts == ["no difference shown", "recommended", "worse"]
    names = next(layer["data"]["values"] for layer in flops.chart["layer"] if layer["mark"]["type"] == "text")
    assert [one["brief"] for one in names] == list(COSTS)
    assert [one["cost"] for one in seconds.chart["layer"][-1]["data"]["values"]] == [5.0, 5.0, 5.0]


def test_a_cost_that_is_known_of_one_backbone_alone_has_no_chart(kept):
    assert [one.name for one in kept("large")] == ["ranking-flops-1"]


def test_a_backbone_as_accurate_as_the_best_has_its_interval_beside_it(kept, workspace, monkeypatch):
    monkeypatch.setitem(COSTS, "small", (1e9, 0.93, 1.0))
    kept("large")
    table = next(one for one in section(gather(workspace, None)).blocks if isinstance(one, Table))
    place = [column.title for column in table.columns].index("To the best, points")
    assert [row[place].text for row in table.rows][:2] == ["", "+0.0 (\u2212100.0 to +100.0)"]
