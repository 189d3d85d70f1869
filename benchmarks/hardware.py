"""What a result file says about where it was measured."""

import datetime
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from extract.machine import machine, package_versions

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


def _path(name: str) -> Path:
    """One file for each day and kind of processor: figures of two machines never stand in one."""
    here = machine()
    words = [*here.processor.split()[:3], here.bf16_units or "float32", f"{here.core_count}core"]
    if here.cuda_device_count:
        words.append(f"{here.cuda_device_count}gpu")
    slug = "".join(sign if sign.isalnum() else "-" for sign in "-".join(words).lower())
    return RESULTS / f"{name}-{datetime.date.today().isoformat()}-{slug}.json"
