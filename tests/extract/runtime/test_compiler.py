"""What is compiled is right, and a compiler that is there and does not work is found out before it is needed."""

import os
import random
from itertools import pairwise

import pytest
import torch

from extract.features import engines
from extract.runtime import compiler

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the compiler of this test's own is a shell script")


@pytest.fixture
def put(tmp_path, monkeypatch):
    """Makes a script the C++ compiler."""

    def put(script):
        path = tmp_path / "g++"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("CXX", str(path))
        compiler._fault.cache_clear()  # the folder of an earlier test may have had this name

    return put


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'trial.cpp:1:10: fatal error: Python.h: No such file' >&2; exit 1", "fatal error: Python.h"),
        ("exit 1", "it said nothing"),
        ("for last; do :; done; echo no library > $last", "does not work"),
        ("for last; do :; done; exit 0", "does not work"),
    ],
    ids=["no headers", "mute", "another architecture", "writes nothing"],
)
def test_a_broken_compiler_makes_a_run_eager_and_says_why(put, script, why):
    put(script)
    assert not compiler.has_compiler()
    network = torch.nn.LSTM(3, 3)  # which no other engine would take either
    engine, reason = engines.choose_engine(
        "auto", network=network, precision="float32", image_count=60_000, image_size=(224, 224), device="cpu"
    )
    assert engine == "eager"
    assert why in reason


def test_none_at_all_names_what_to_install(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", "")
    assert compiler.compiler_fault() == "no C++ compiler was found: install g++" or os.uname().sysname == "Darwin"


def test_a_folder_from_which_no_code_may_run_is_found_out(monkeypatch):
    def forbidden(_):
        raise OSError("trial.so: failed to map segment from shared object")

    monkeypatch.setattr(compiler.ctypes, "CDLL", forbidden)
    monkeypatch.setattr(compiler, "_fault", compiler._fault.__wrapped__)
    fault = compiler.compiler_fault()
    assert "failed to map" in fault or "no C++ compiler" in fault


def test_doctor_says_that_the_compiler_is_broken(put, pipeline):
    put("echo 'error: no space for the moon' >&2; exit 1")
    facts = pipeline("doctor", "--json").json
    assert facts["compiler"] is False
    assert any("no space for the moon" in problem for problem in facts["problems"])


class Scaled(torch.nn.Module):
    """A product: its graph is compiled and kept, but no C++ is generated for it."""

    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(3, width)

    def forward(self, rows):
        return self.linear(rows)


@pytest.mark.skipif(not compiler.has_compiler(), reason="compiling needs a C++ compiler")
def test_what_was_kept_for_wider_vectors_is_not_taken(monkeypatch):
    """Half of what code for wide vectors computes in narrow ones is what lay in memory."""
    from torch._dynamo.utils import counters
    from torch._inductor.cpu_vec_isa import pick_vec_isa

    def taken():
        """Whether a compiled graph comes from those that were kept, as in another process."""
        torch._dynamo.reset()
        before = counters["inductor"]["fxgraph_cache_hit"]
        compiler.compiled(module)(torch.zeros(2, 3))
        return counters["inductor"]["fxgraph_cache_hit"] > before

    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    widest = pick_vec_isa().bit_width()
    module = Scaled(random.randrange(100, 100_000))  # which no earlier process kept
    assert [taken(), taken()] == [False, True]
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "avx2")
    if pick_vec_isa().bit_width() == widest:
        pytest.skip("this processor has vectors of one width")
    assert [taken(), taken()] == [False, True]


@pytest.mark.skipif(not compiler.has_compiler(), reason="compiling needs a C++ compiler")
def test_the_tenth_network_of_a_process_is_compiled_like_the_first():
    from torch._dynamo.utils import counters

    graphs = []
    for width in range(1, 11):
        compiler.compiled(Scaled(width))(torch.zeros(2, 3))
        graphs.append(counters["stats"]["unique_graphs"])
    assert [later - earlier for earlier, later in pairwise(graphs)] == [1] * 9
