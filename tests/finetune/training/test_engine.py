"""Eager or compiled: what is asked for, and what a training is large enough for."""

import pytest
from torch import nn

from extract.runtime.compiler import has_compiler
from finetune.training import engine

HUGE = 10**15  # images: more arithmetic than any threshold


def choose(wanted, *, image_count=HUGE, device="cpu"):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2))
    return engine.choose(wanted, network, image_count=image_count, image_size=(8, 8), device=device)


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_only_long_trainings_compile_by_themselves_and_none_on_a_processor():
    assert choose("auto", device="cuda") == "compiled"
    assert choose("auto", device="cuda", image_count=1000) == "eager"
    assert choose("auto") == "eager"


@pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")
def test_what_is_asked_for_is_done():
    assert choose("on", image_count=1) == "compiled"
    assert choose("off") == "eager"


def test_without_a_compiler_all_is_eager(monkeypatch):
    monkeypatch.setattr(engine, "has_compiler", lambda: False)
    assert choose("on") == choose("auto") == "eager"
