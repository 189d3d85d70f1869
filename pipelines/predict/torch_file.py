"""A graph as an exported program of torch, which `torch.export.load` reads; its facts are a file inside it."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from extract.errors import TransferBenchError
from extract.runtime.disk import replacing
from pipelines.predict.classify import Graph

placed = replacing
NEEDED, SCRIPT = ("torch",), None
FACTS = "facts.json"
USE = """Needs torch:

    facts = {{"facts.json": ""}}
    program = torch.export.load("{name}", extra_files=facts).module()
    probabilities = program(images)  # uint8 {shape} -> float32 [N, {count}]

Class names and preprocessing are JSON in `facts["facts.json"]`.
"""


def write(graph: Graph, *, module: nn.Module, path: Path, facts: dict[str, object], final: Path) -> tuple[Path, ...]:
    """Writes `module` with `facts`; no file beside `path`. Raises `TransferBenchError` where torch cannot export it."""
    example = torch.zeros(2, 3, graph.height, graph.width, dtype=torch.uint8)
    try:
        with torch.no_grad():
            program = torch.export.export(module, (example,), dynamic_shapes={"images": {0: torch.export.Dim("N")}})
    except (RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise TransferBenchError(f"network must be one that torch can export; {reason}. Another may do.") from error
    whole = io.BytesIO()  # torch's writer of files ends the process where the disk is full
    torch.export.save(program, whole, extra_files={FACTS: json.dumps(facts)})
    path.write_bytes(whole.getbuffer())
    return ()


@torch.no_grad()
def answers(path: Path, graph: Graph) -> np.ndarray:
    """float32 [N, K]: the probabilities that the file gives for the graph's examples."""
    program = torch.export.load(io.BytesIO(path.read_bytes()))
    return program.module()(torch.from_numpy(graph.examples)).numpy()
