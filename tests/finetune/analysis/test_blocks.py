"""Blocks of a network, named, counted and joined."""

from finetune.analysis.blocks import JOIN, LayerBlock
from finetune.analysis.describe import describe


def test_blocks_are_named_counted_and_joined():
    resnet, dense = describe("resnet50", image_size=224), describe("densenet121")
    assert resnet.stages[0].blocks == (LayerBlock("layers", 1, ("7×7 conv, 64, /2", "3×3 max pool, /2"), None),)
    layers = ("1×1 conv, 128", "3×3 conv, 128", "1×1 conv, 512")
    assert resnet.stages[2].blocks == (
        LayerBlock("Bottleneck", 1, ("1×1 conv, 128", "3×3 conv, 128, /2", "1×1 conv, 512"), "add"),
        LayerBlock("Bottleneck", 3, layers, "add"),
    )
    assert dense.stages[1].blocks == (
        LayerBlock("DenseLayer", 6, ("1×1 conv, 128", "3×3 conv, 32"), "concat"),
        LayerBlock("layers", 1, ("1×1 conv, 128", "2×2 average pool, /2"), None),
    )
    assert {block.link for stage in describe("vgg11").stages for block in stage.blocks} == {None}


def test_the_steps_of_a_block_are_in_the_order_of_its_paper():
    before = ("batch norm", "ReLU", "3×3 conv, 16")
    after = ("3×3 conv, 16", "batch norm", "ReLU", "3×3 conv, 16", "batch norm", JOIN, "ReLU")
    assert describe("resnet20").stages[1].blocks[0].steps == after
    assert describe("preact20").stages[1].blocks[0].steps == (*before, *before, JOIN)
    dense = describe("densenet-bc-40-12").stages[1].blocks[0].steps
    assert dense == ("batch norm", "ReLU", "1×1 conv, 48", "batch norm", "ReLU", "3×3 conv, 12", JOIN)
    plain = describe("vgg11").stages[1].blocks[0].steps
    assert plain == ("3×3 conv, 128", "batch norm", "ReLU", "2×2 max pool, /2")
