"""Where the jobs of a batch run: engines, what jobs share of a machine, leases, and workers that die."""

import os
import signal
import socket
from types import SimpleNamespace

import pytest

from extract.errors import InvalidInputError
from pipelines.specs.engine import EngineSpec
from pipelines.studies import engines
from pipelines.studies.engines import Pool

TINY = "defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}\n"
HEAD = "jobs:\n  - {command: fit-head, backbone: test_resnet, c-grid: 1e-2, seed: [0, 1]}\n"


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (("--engine", "daks"), 2, "unknown engine 'daks'. Nearest: dask."),
        (("--jobs", "0"), 2, "jobs must be a whole number from 1; got 0."),
        (("--scheduler", "host:1"), 2, "scheduler must come with --engine dask or ray"),
        (("--engine", "dask", "--scheduler", "host:1", "--jobs", "2"), 2, "jobs must be left to the cluster"),
        (("--engine", "dask", "--scheduler", "nonsense"), 2, "scheduler must be HOST:PORT or PROTOCOL://HOST:PORT"),
    ],
)
def test_options_that_cannot_be_are_refused(pipeline, written, words, status, sentence):
    ended = pipeline("run", written(TINY + HEAD), *words)
    assert ended.status == status
    assert sentence in ended.err


@pytest.mark.parametrize("engine", ["dask", "ray"])
def test_a_scheduler_that_does_not_answer_is_one_sentence(pipeline, written, engine):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unheard.getsockname()[1]}"
    ended = pipeline("run", written(TINY + HEAD), "--engine", engine, "--scheduler", address)
    assert ended.status == 1
    assert f"error: {engine} scheduler '{address}' must answer and have workers; it does not" in ended.err
    assert ended.err.count("\n") == 1


def test_a_study_that_is_cached_needs_no_scheduler(pipeline, written):
    pipeline("run", written(TINY + HEAD))
    ended = pipeline("run", written(TINY + HEAD), "--engine", "dask", "--scheduler", "127.0.0.1:1", "--json")
    assert (ended.status, ended.json["cached"]) == (0, 2)


def test_local_workers_share_the_cores_out_among_their_libraries(monkeypatch):
    monkeypatch.setattr(engines, "thread_count", lambda: 4)
    with engines.opened(EngineSpec("loky", 2)) as pool:
        found = dict(pool.map(os.getenv, [(name,) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")]))
    assert found == {0: "2", 1: "2"}


def test_engine_refuses_what_excludes_itself():
    with pytest.raises(InvalidInputError, match="scheduler must come with"):
        EngineSpec("loky", None, "host:1")
    assert EngineSpec("ray", None, "host:1").is_remote
    assert not EngineSpec("ray", 2).is_remote


def test_pool_gives_every_result_with_its_index():
    pool = Pool("loky", 2, 2, is_local=True)
    assert sorted(pool.map(divmod, [(7, 2), (9, 4), (5, 5)])) == [(0, (3, 1)), (1, (2, 1)), (2, (1, 0))]


def test_ray_leaves_the_signals_to_us_and_keeps_a_cluster_of_our_own_to_this_machine(monkeypatch):
    class Ray:
        def init(self, **_):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # as ray does
            assert os.environ[engines.LONE_RAY] == "0"

        def nodes(self):
            return [{"Alive": True, "Resources": {"CPU": 2.0}}]

        def shutdown(self):
            pass

    monkeypatch.delenv(engines.LONE_RAY, raising=False)
    monkeypatch.setattr(engines, "extra", lambda name, **_: Ray())
    monkeypatch.setattr(engines.importlib, "import_module", lambda name: SimpleNamespace(register_ray=lambda: None))
    before = signal.getsignal(signal.SIGTERM)
    with engines.opened(EngineSpec("ray", 2)):
        assert signal.getsignal(signal.SIGTERM) is before
