"""Hardware facts of a result file."""

import datetime
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from extract.runtime.devices import Stopwatch, torch_dtype
from extract.runtime.machine import machine, package_versions

RESULTS = Path(__file__).parent / "results"


def earlier_today(name: str, key: str) -> dict[str, Any]:
    """What today's result file of this hardware holds under `key`, so that parts can be measured one after another."""
    path = _path(name)
    return json.loads(path.read_text())[key] if path.exists() else {}


def write(name: str, results: dict[str, Any], *, libraries: tuple[str, ...]) -> Path:
    """Writes `results` with hardware, versions and date to `results/<name>-<date>-<hardware>.json`, the path."""
    path = _path(name)
    content = {
        "date": datetime.date.today().isoformat(),
        "hardware": asdict(machine()),
        "versions": package_versions(*libraries),
        **results,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def matrix_product_rate(device: str, precision: str, *, seconds: float = 3.0) -> float:
    """Floating-point operations a second of a large square matrix product: what the device can do at most, about."""
    side = 4096
    left, right = (torch.randn(side, side, device=device, dtype=torch_dtype(precision)) for _ in range(2))
    left @ right
    watch, done = Stopwatch(device), 0
    while watch.seconds() < seconds:
        left @ right
        done += 2 * side**3
    return done / watch.seconds()


def copy_bandwidth(device: str, *, count: int = 10) -> float:
    """Bytes a second, read and written together, of copying what is larger than any cache."""
    source = torch.zeros(2**26, device=device)
    target = torch.empty_like(source)
    target.copy_(source)
    watch = Stopwatch(device)
    for _ in range(count):
        target.copy_(source)
    return 2 * count * source.nbytes / watch.seconds()


def _path(name: str) -> Path:
    """One file for each day and kind of processor: figures of two machines never stand in one."""
    here = machine()
    words = [*here.processor.split()[:3], here.bf16_units or "float32", f"{here.core_count}core"]
    if here.cuda_device_count:
        words.append(f"{here.cuda_device_count}gpu")
    slug = "".join(sign if sign.isalnum() else "-" for sign in "-".join(words).lower())
    return RESULTS / f"{name}-{datetime.date.today().isoformat()}-{slug}.json"
