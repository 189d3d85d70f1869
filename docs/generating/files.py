"""Result files of `benchmarks/results`."""

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
Json = dict[str, Any]


def read(kind: str) -> list[Json]:
    """Read the result files of one benchmark, the oldest first."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{kind}-2*.json"))]


def runs_of(**wanted: object) -> list[Json]:
    """Collect the runs with these values, the newest of each (name, seed, image size, options), with their machine."""
    found: dict[str, Json] = {}
    for file in read("runs"):
        for run in file["runs"]:
            if all(run.get(key) == value for key, value in wanted.items()):
                same = json.dumps([run["name"], run["seed"], run["image_size"], run["options"]], sort_keys=True)
                found[same] = {**run, "machine": machine(file)}
    return list(found.values())


def machine(file: Json) -> str:
    """Name the machine of a result file by its cores, maker and units."""
    hardware = file["hardware"]
    units = {"": "float32", "avx512_bf16": "AVX-512 bf16"}.get(hardware["bf16_units"], hardware["bf16_units"])
    maker = hardware["processor"].split("(")[0].split()[0]
    return f"{hardware['core_count']} cores, {maker}, {units}"
