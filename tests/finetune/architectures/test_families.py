"""Families of networks, and whose a name is."""

import re

from finetune.architectures import families, networks


def test_names_and_families():
    assert [
        networks.resolve(name).family for name in ("resnet20", "preact18", "densenet-bc-22-6", "vgg16", "airbench94")
    ] == [
        "resnet",
        "preact",
        "densenet",
        "vgg",
        "vgg",
    ]
    assert networks.resolve("resnet26").family is None  # timm's, not 6n + 2 layers of ours
    assert networks.names("preact*")[:2] == ["preact18", "preact20"]
    assert len(set(networks.names())) == len(networks.names()) > 1000
    assert networks.resolve("resnet18.tv_in1k").timm_name == "resnet18.tv_in1k"
    assert networks.resolve("vgg16", {"norm": "none"}).timm_name == "vgg16"
    assert networks.resolve("resnet18", {"width": 2}).timm_name is networks.resolve("resnet20").timm_name is None


def test_every_family_says_its_idea_in_two_sentences_with_a_citation():
    for _, family in families.REGISTRY:
        idea, _, citation = family.IDEA.rpartition(" (")
        assert len(re.findall(r"\. [A-Z]", idea)) == 1
        assert re.search(r", \"[^\"]+\", .*20\d\d, arXiv:\d{4}\.\d{4,5}\)\.$", citation)
    assert networks.resolve("convnext_tiny").idea is None
