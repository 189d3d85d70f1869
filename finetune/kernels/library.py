"""The kernels of `norms.cpp`, made by the machine's C++ compiler when they are first wanted, in some seconds.

They run on the threads of torch's own OpenMP (its library has the name under which the kernels look for it).
"""

import ctypes
import functools
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor

from extract.runtime.compiler import SECONDS, has_compiler

SOURCE = Path(__file__).with_name("norms.cpp")
FLAGS = ("-O3", "-march=native", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")
X86_FLAGS = ("-mprefer-vector-width=512",)
NAMES = {torch.bfloat16: "bfloat16", torch.float32: "float32"}
POINTER, LONG, INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_int
ARGUMENTS = {
    "statistics": [POINTER, LONG, LONG, LONG, POINTER, POINTER, INT],
    "forward": [POINTER, LONG, POINTER, POINTER, LONG, LONG, *[POINTER] * 6, INT, INT],
    "backward": [POINTER, POINTER, LONG, *[POINTER] * 3, LONG, LONG, *[POINTER] * 6, INT, INT, INT],
}


def available() -> bool:
    """Whether the kernels can be had: on Linux, with a C++ compiler that makes them."""
    return sys.platform == "linux" and has_compiler() and _library() is not None


@functools.cache
def kernels(dtype: torch.dtype) -> SimpleNamespace:
    """The functions `statistics`, `forward` and `backward` of `norms.cpp` for maps of `dtype`."""
    library, found = _library(), SimpleNamespace()
    assert library is not None  # `available` says so
    for name, types in ARGUMENTS.items():
        function = getattr(library, f"{name}_{NAMES[dtype]}")
        function.argtypes, function.restype = types, None
        setattr(found, name, function)
    return found


@functools.cache
def _library() -> ctypes.CDLL | None:
    compiler = shutil.which(os.environ.get("CXX") or "g++")
    if compiler is None:
        return None
    try:
        with tempfile.TemporaryDirectory(prefix="transfer-bench-") as folder:
            made = Path(folder) / "norms.so"
            flags = (*FLAGS, *(X86_FLAGS if platform.machine() == "x86_64" else ()))
            words = [compiler, "-shared", "-fPIC", "-std=c++17", *flags, str(SOURCE), "-o", str(made)]
            subprocess.run(words, capture_output=True, timeout=SECONDS, check=True)
            return ctypes.CDLL(str(made))
    except (OSError, subprocess.SubprocessError):
        return None  # such as a compiler without OpenMP: the training is then eager


def at(tensor: Tensor | None) -> int | None:
    """Address of the first element; None for None."""
    return None if tensor is None else tensor.data_ptr()
