"""CPU and memory limits of a container, scheduler job or service: its control groups.

Both versions of Linux's control groups are read, with every group above the process' own: the tightest counts.
Elsewhere, and where there is no limit, everything here is None.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
MOUNTS = {"memory": ("", "unified", "memory"), "cpu": ("", "unified", "cpu", "cpu,cpuacct", "cpuacct,cpu")}
UNLIMITED_BYTES = 1 << 60  # version 1 writes about 2^63 for none


def core_limit(root: Path = ROOT) -> float | None:
    """Cores' worth of time that the process may take, such as 1.5."""
    limits = [limit for folder in _groups("cpu", root) if (limit := _cores(folder)) is not None]
    return min(limits, default=None)


def memory_limit(root: Path = ROOT) -> int | None:
    """Bytes that the processes of the tightest group may take together."""
    return min((limit for folder in _groups("memory", root) if (limit := _bytes(folder)) is not None), default=None)


def memory_left(root: Path = ROOT) -> int | None:
    """Bytes that may still be taken: of the group with the least left. Cached files give way, so they do not count."""
    left = [
        max(limit - _taken(folder), 0) for folder in _groups("memory", root) if (limit := _bytes(folder)) is not None
    ]
    return min(left, default=None)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of the process' groups, each with all above it, that are seen from here."""
    for mount in MOUNTS[controller]:
        top = root / "sys/fs/cgroup" / mount
        for path in _paths(controller, root):
            # In a container the path may be the host's, which is not seen; its own group is then the top.
            for folder in (top / path, *(top / path).parents):
                if folder.is_relative_to(top) and folder.is_dir():
                    yield folder


def _paths(controller: str, root: Path) -> list[str]:
    """The process' groups, relative to where the control groups are mounted."""
    lines = [line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines()]
    found = [line[2] for line in lines if len(line) == 3 and (line[1] == "" or controller in line[1].split(","))]
    return [path.strip().lstrip("/") for path in found] or [""]


def _cores(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    quota_us, period_us = _number(quota), _number(period)
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


def _bytes(folder: Path) -> int | None:
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    limits = [limit for name in names if (limit := _number(_text(folder / name))) is not None]
    return min((limit for limit in limits if limit < UNLIMITED_BYTES), default=None)


def _taken(folder: Path) -> int:
    usage = _number(_text(folder / "memory.current")) or _number(_text(folder / "memory.usage_in_bytes")) or 0
    facts = dict(line.split(" ", 1) for line in _text(folder / "memory.stat").splitlines() if " " in line)
    cached = facts.get("total_inactive_file") or facts.get("inactive_file") or "0"
    return max(usage - (_number(cached) or 0), 0)


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:  # "max", or nothing
        return None


def _text(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()
    return ""
