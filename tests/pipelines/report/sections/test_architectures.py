"""Architectures of the report."""

from pipelines.report.page.blocks import Drawing, Table
from pipelines.report.sections import architectures
from pipelines.report.study.study import gather


def test_every_trained_architecture_has_one_table_its_drawing_and_that_of_a_block_with_the_idea(workspace, make):
    for seed in range(2):
        make.put(workspace, make.network("resnet20 from scratch", "scratch", accuracy=0.8, seed=seed))
    blocks = architectures.section(gather(workspace, None)).blocks
    assert [type(block) for block in blocks].count(Table) == 1
    whole, block = (one for one in blocks if isinstance(one, Drawing))
    assert "learns only a correction of its input" in block.caption
    assert "BasicBlock" in block.svg
    assert whole.outline


def test_heads_have_none(workspace, make):
    make.put(workspace, make.head("ridge", "resnet50", accuracy=0.9))
    assert architectures.section(gather(workspace, None)).blocks == []
