"""Compiled networks, and the check that they can be made here: torch's C++ compiler is tried, not only looked for."""

import ctypes
import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

SECONDS = 60.0
# What Inductor's own code needs: Python's headers, the standard library's, and a library that can be loaded.
SOURCE = '#include <Python.h>\n#include <cmath>\n#include <vector>\nextern "C" int answer() { return 42; }\n'


def compiled(module: "nn.Module", *, freezing: bool = False) -> "Callable[[Tensor], Tensor]":
    """`module`, compiled on the first call for each shape of its input; `freezing` makes constants of its weights.

    Torch keeps what it generates in a folder of the machine's and takes it from there whatever vectors it was generated
    for: code for AVX-512, translated again for AVX2, leaves half of its results as they lay in memory. So the width of
    the vectors is an option, for then it belongs to the name under which the code is kept. Two settings act only
    globally, so they are set for the time of each call: `freezing` (as an option it is accepted and does nothing), and
    the number of graphs of a function (beyond 8 networks in a process the next would silently run eagerly).
    """
    import torch
    from torch._dynamo import config as dynamo
    from torch._inductor import config as inductor
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    called = torch.compile(module, dynamic=False, options={"cpp.simdlen": pick_vec_isa().bit_width()})

    def run(images: "Tensor") -> "Tensor":
        with inductor.patch(freezing=freezing), dynamo.patch(recompile_limit=4096, accumulated_recompile_limit=4096):
            return called(images)

    return run


def has_compiler() -> bool:
    """Whether a C++ compiler that Inductor can call makes code that runs here."""
    return not compiler_fault()


def compiler_fault() -> str:
    """Reason why networks cannot be compiled here, in a few words; empty where they can. Tried once a process."""
    return _fault(os.environ.get("CXX", ""), os.environ.get("PATH", ""), _cache_parent())


@functools.cache
def _fault(cxx: str, path: str, parent: str) -> str:
    if os.name == "nt":
        return "" if shutil.which(cxx or "cl", path=path) else "no C++ compiler was found"
    compiler = shutil.which(cxx or ("clang++" if sys.platform == "darwin" else "g++"), path=path)
    if compiler is None:
        return "no C++ compiler was found" + (f" at CXX={cxx}" if cxx else ": install g++")
    try:
        with tempfile.TemporaryDirectory(prefix="transfer-bench-", dir=parent) as folder:
            return _tried(compiler, Path(folder))
    except OSError as error:
        return f"the C++ compiler cannot write to {parent}: {error.strerror}"


def _tried(compiler: str, folder: Path) -> str:
    source, library = folder / "trial.cpp", folder / "trial.so"
    source.write_text(SOURCE)
    include = sysconfig.get_path("include")
    words = [compiler, "-shared", "-fPIC", "-std=c++17", f"-I{include}", str(source), "-o", str(library)]
    words += ["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else []
    try:
        ended = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False, errors="replace")
        if ended.returncode != 0:
            return f"the C++ compiler {compiler} does not work: {_first_error(ended.stderr)}"
        return "" if ctypes.CDLL(str(library)).answer() == 42 else f"the C++ compiler {compiler} makes wrong code"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the C++ compiler {compiler} does not work: {str(error).splitlines()[0]}"


def _first_error(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return next((line for line in lines if "error" in line), lines[0] if lines else "it said nothing")[:200]


def _cache_parent() -> str:
    """Where Inductor keeps what it compiles: code must be allowed to run from there."""
    folder = Path(os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.gettempdir())
    return str(next((one for one in (folder, *folder.parents) if one.is_dir()), folder))
