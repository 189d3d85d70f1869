"""What a short command need not wait for: torch's compiler behind timm, and random weights that others replace."""

import contextlib
import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

COMPILER = ("torch._dynamo", "torch._dynamo.utils")
DRAWS = ("normal_", "uniform_", "trunc_normal_", "xavier_normal_", "xavier_uniform_")
DRAWS += ("kaiming_normal_", "kaiming_uniform_")  # of torch.nn.init and of tensors


@contextlib.contextmanager
def compiler_deferred() -> Iterator[None]:
    """Loads torch's compiler only when something of it is called, for the modules that are imported in the body.

    torchvision imports it for one function that only detection calls, timm for marking functions that are not to be
    compiled. Whatever else of it is asked for is the compiler's own, which is then loaded at once.
    """
    stand_ins = {} if COMPILER[0] in sys.modules else {name: _Deferred(name) for name in COMPILER}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        _remove(stand_ins)


class _Deferred(ModuleType):
    """Stands for a module of torch's compiler."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "disable":
            return _disable
        if name == "is_compile_supported":
            return lambda device: _loaded(self.__name__, name)(device)
        return _loaded(self.__name__, name)


def _loaded(module: str, name: str) -> Any:
    """What the module itself has under `name`."""
    _remove({one: found for one in COMPILER if isinstance(found := sys.modules.get(one), _Deferred)})
    return getattr(importlib.import_module(module), name)


def _remove(stand_ins: Mapping[str, ModuleType]) -> None:
    for name, stand_in in stand_ins.items():
        if sys.modules.get(name) is stand_in:
            del sys.modules[name]


def _disable(function: Callable[..., Any], *arguments: Any, **options: Any) -> Callable[..., Any]:
    """`function`, never compiled, as `torch.compiler.disable` leaves it."""
    if not inspect.isfunction(function):
        return _loaded(COMPILER[0], "disable")(function, *arguments, **options)

    @functools.wraps(function)
    def disabled(*given: Any, **named: Any) -> Any:
        return _loaded(COMPILER[0], "disable")(function, *arguments, **options)(*given, **named)

    return disabled


class Undrawn(TorchFunctionMode):
    """Networks made in its body have zeros where they would draw random weights: others will take their place.

    On the "meta" device drawing loads torch's compiler, which takes seconds.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") not in DRAWS:
            return func(*args, **(kwargs or {}))
        tensor: torch.Tensor = args[0] if args else kwargs["tensor"]
        return tensor.detach().zero_() if tensor.requires_grad else tensor.zero_()


with compiler_deferred():
    import timm as timm  # whoever imports timm imports this module first
