"""Deferred and spared work at the start: what is spared is still there when it is asked for."""

import importlib
import sys

import pytest
import timm
import torch
from torch import nn

from extract.runtime import startup


def test_a_deferred_module_is_loaded_for_whatever_else_is_asked_of_it(monkeypatch):
    monkeypatch.setattr(startup, "COMPILER", ("colorsys",))  # a small module in the compiler's place
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with startup.compiler_deferred():
        stand_in = importlib.import_module("colorsys")
        assert callable(stand_in.is_compile_supported)
        assert stand_in.disable is startup._disable
        assert sys.modules["colorsys"] is stand_in
        assert stand_in.rgb_to_hsv(1, 0, 0) == (0, 1, 1)
        assert sys.modules["colorsys"].__file__
    assert sys.modules["colorsys"].__file__  # the module itself stays


def test_nothing_stands_in_for_a_deferred_module_afterwards(monkeypatch):
    monkeypatch.setattr(startup, "COMPILER", ("colorsys",))
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with startup.compiler_deferred():
        pass
    assert importlib.import_module("colorsys").__file__


def test_a_function_that_is_never_compiled_gives_what_it_gave():
    disabled = startup._disable(lambda value, *, plus: value + plus)
    assert disabled(1, plus=2) == 3
    assert torch.compile(disabled, backend="eager")(torch.ones(1), plus=2) == 3


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_a_network_whose_weights_are_not_drawn_takes_those_of_another(name):
    drawn = timm.create_model(name)
    before = torch.get_rng_state()
    with startup.Undrawn():
        empty = timm.create_model(name)
    assert torch.equal(torch.get_rng_state(), before)
    kernels = [one.weight for one in empty.modules() if isinstance(one, nn.Conv2d | nn.Linear)]
    assert all(not one.any() and one.requires_grad for one in kernels)
    empty.load_state_dict(drawn.state_dict())
    images = torch.rand(2, 3, *drawn.default_cfg["input_size"][1:])
    with torch.no_grad():
        assert torch.equal(drawn.eval()(images), empty.eval()(images))
