"""What a result file says about where it was measured."""

import datetime
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from extract.machine import machine, package_versions

RESULTS = Path(__file__).parent / "results"


def earlier_today(name: str, key: str) -> dict[str, Any]:
    """What a result file of today already holds under `key`, so that parts can be measured one after another."""
    path = RESULTS / f"{name}-{datetime.date.today().isoformat()}.json"
    return json.loads(path.read_text())[key] if path.exists() else {}


def write(name: str, results: dict[str, Any], *, libraries: tuple[str, ...]) -> Path:
    """Writes `results` with hardware, versions and date to `results/<name>-<date>.json` and returns the path."""
    date = datetime.date.today().isoformat()
    path = RESULTS / f"{name}-{date}.json"
    content = {"date": date, "hardware": asdict(machine()), "versions": package_versions(*libraries), **results}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path
