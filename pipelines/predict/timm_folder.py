"""A run as a folder with configuration and weights: `timm.create_model("local-dir:FOLDER", pretrained=True)`."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from extract.errors import InvalidInputError
from extract.runtime.disk import disk_errors
from finetune import timm_folder
from pipelines.predict.classify import Graph

NEEDED, SCRIPT = ("timm",), None
USE = """Needs timm:

    network = timm.create_model("local-dir:{name}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network))
    probabilities = network(transform(image)[None]).softmax(1)  # float32 [1, {count}]; image: PIL, RGB

Class names are `network.pretrained_cfg["label_names"]`.
"""


@contextlib.contextmanager
def placed(path: Path) -> Iterator[Path]:
    """A new folder beside `path`, which becomes `path` when the body ended well, and is removed otherwise."""
    if path.exists():
        raise InvalidInputError(f"output must be a new folder for --format timm; got {str(path)!r}. Name another.")
    folder = Path(tempfile.mkdtemp(prefix=f"{path.name}.", suffix=".partial", dir=path.parent))
    try:
        with disk_errors(path):
            yield folder
        folder.chmod(0o755)
        os.replace(folder, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write(graph: Graph, *, module: nn.Module, path: Path, facts: dict[str, Any], final: Path) -> tuple[Path, ...]:
    """Writes the files into the folder `path`. Raises `InvalidInputError` for a run that is none of timm's networks."""
    network, name = graph.whole()
    timm_folder.save(
        network,
        path,
        name=name,
        class_names=graph.class_names,
        preprocessing=graph.preprocessing,
        temperature=facts["temperature"],
    )
    return ()


def answers(path: Path, graph: Graph) -> np.ndarray:
    """float32 [N, K]: the probabilities of the graph's example images, loaded and fed as timm does."""
    return timm_folder.probabilities(path, graph.images).numpy()
