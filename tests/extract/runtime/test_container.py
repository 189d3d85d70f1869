"""Limits of control groups, of both versions, from folders that look like the system's."""

from types import SimpleNamespace

import psutil
import pytest

from extract.runtime import container, machine

GIB = 2**30


def system(root, groups, files):
    """`groups` is /proc/self/cgroup; `files` maps paths below /sys/fs/cgroup to their content."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


def test_version_2_the_tightest_group_above_counts(tmp_path):
    root = system(
        tmp_path,
        "0::/user.slice/job\n",
        {
            "user.slice/job/memory.max": "max",
            "user.slice/job/cpu.max": "max 100000",
            "user.slice/memory.max": 4 * GIB,
            "user.slice/memory.current": 3 * GIB,
            "user.slice/memory.stat": f"anon 5\ninactive_file {GIB}\nactive_file 7",
            "user.slice/cpu.max": "150000 100000",
        },
    )
    assert container.core_limit(root) == 1.5
    assert container.memory_limit(root) == 4 * GIB
    assert container.memory_left(root) == 2 * GIB


def test_version_1_in_a_container_whose_path_is_the_hosts(tmp_path):
    groups = "11:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
    files = {
        "memory/memory.limit_in_bytes": 2 * GIB,
        "memory/memory.usage_in_bytes": GIB,
        "memory/memory.stat": f"inactive_file 1\ntotal_inactive_file {GIB // 2}",
        "cpu,cpuacct/cpu.cfs_quota_us": 50000,
        "cpu,cpuacct/cpu.cfs_period_us": 100000,
    }
    root = system(tmp_path, groups, files)
    assert container.core_limit(root) == 0.5
    assert container.memory_limit(root) == 2 * GIB
    assert container.memory_left(root) == 1.5 * GIB


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.max": "max", "cpu.max": "max 100000"},
        {"memory/memory.limit_in_bytes": 9223372036854771712, "cpu/cpu.cfs_quota_us": -1},
        {"memory.max": "", "cpu.max": "strange"},
    ],
)
def test_without_limits_there_are_none(tmp_path, files):
    root = system(tmp_path, "0::/\n", files)
    assert container.core_limit(root) is None
    assert container.memory_limit(root) is None
    assert container.memory_left(root) is None
    assert container.core_limit(tmp_path / "no system of this kind") is None


def test_the_machine_is_what_the_process_may_use_of_it(monkeypatch):
    host = SimpleNamespace(total=64 * GIB, available=60 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: host)
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(32)), raising=False)
    monkeypatch.setattr(container, "memory_limit", lambda: 8 * GIB)
    monkeypatch.setattr(container, "memory_left", lambda: 5 * GIB)
    monkeypatch.setattr(container, "core_limit", lambda: 1.5)
    assert machine.core_count() == 2
    assert machine.memory_bytes() == 8 * GIB
    assert machine.available_memory() <= 5 * GIB
    monkeypatch.setattr(container, "core_limit", lambda: 0.2)
    assert machine.core_count() == 1
    monkeypatch.setattr(container, "core_limit", lambda: None)
    assert machine.core_count() == 32


def test_memory_that_a_container_lacks_is_refused_where_the_host_would_have_it(monkeypatch):
    import torch

    from extract.errors import InvalidInputError
    from heads.kernel import gram

    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64 * GIB, available=60 * GIB))
    monkeypatch.setattr(container, "memory_left", lambda: GIB)
    with pytest.raises(InvalidInputError, match=r"got 1\.0 GiB free"):
        gram.must_fit(20_000, torch.device("cpu"))
