"""A run as a file for other programs, checked on real images before it gets its name.

A format is a module: `NEEDED` packages, `USE` (how to apply the result, for its README), `SCRIPT` (a module that does
so, to be copied beside it, or None), `placed`, `write` and `answers`.
"""

import importlib
import importlib.util
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from extract.errors import TransferBenchError, UnavailableError
from extract.runtime.formats import written
from pipelines.predict.classify import Classifier, Graph, divisor, probabilities
from pipelines.workspace import writable

FORMATS = {
    "onnx": "pipelines.predict.onnx_file",
    "torch": "pipelines.predict.torch_file",
    "timm": "pipelines.predict.timm_folder",
}
TOLERANCE = 1e-4  # largest difference of a probability; both sides compute in float32


class Probabilities(nn.Module):
    """uint8 [B, 3, h, w] -> probabilities float32 [B, K]: the softmax of a graph's logits over a temperature."""

    def __init__(self, way: nn.Module, temperature: float) -> None:
        super().__init__()
        self.way = way  # no module in an exported one may be called "graph"
        self.temperature = temperature

    def forward(self, images: Tensor) -> Tensor:
        return (self.way(images).double() / self.temperature).softmax(1).float()


@dataclass(frozen=True)
class Exported:
    """What was written at `path`, its size, what goes in and out, and the largest difference from torch in float32.

    `from_predict` is that from the probabilities of `predict --exact`, which computes as the run did (bfloat16, say),
    on `compared_images` real images, of which `other_classes` get another class. `beside` are the files beside `path`:
    a README, and what the format adds; `file_bytes` counts the tensors among them.
    """

    path: Path
    file_bytes: int
    input_shape: tuple[str | int, ...]
    class_names: tuple[str, ...]
    largest_difference: float
    from_predict: float
    other_classes: int
    compared_images: int
    beside: tuple[Path, ...]


def export(one: Classifier, path: Path, *, run: str, kind: str = "onnx", calibrated: bool = False) -> Exported:
    """Writes `path` in a format, one of `FORMATS`, and what stands beside it.

    A graph takes `images` uint8 [N, 3, h, w], any N, and gives `probabilities` float32 [N, K]. h and w are those of the
    data set, or of the network where images come in many sizes: then they must be resized already. Classes and
    preprocessing are in the file. Raises `UnavailableError` where a package is missing, `InvalidInputError` where
    nothing can be written at `path` or the format cannot hold the run, and `TransferBenchError` where the graph cannot
    be exported or does not give what torch gives.
    """
    form = importlib.import_module(FORMATS[kind])
    require(*form.NEEDED)
    if kind != "timm" or not path.exists():
        writable.check("output", path, stream=False)
    graph, temperature = one.graph(), divisor(one, calibrated=calibrated)
    module = Probabilities(graph.module, temperature).eval().requires_grad_(False)
    facts = _facts(one, graph, run=run, temperature=temperature)
    beside: tuple[Path, ...] = ()
    try:
        with form.placed(path) as temporary:
            beside = form.write(graph, module=module, path=temporary, facts=facts, final=path)
            found = form.answers(temporary, graph)
            difference = _difference(module, graph, found=found)
    except BaseException:
        for file in beside:
            file.unlink(missing_ok=True)
        raise
    expected = probabilities(one, graph.predicted, calibrated=calibrated)
    exported = Exported(
        path,
        sum(map(_bytes, (path, *beside))),
        ("N", 3, graph.height, graph.width),
        one.class_names,
        difference,
        from_predict=float(np.abs(found - expected).max()),
        other_classes=int((found.argmax(1) != expected.argmax(1)).sum()),
        compared_images=len(found),
        beside=(*beside, *_companions(path, script=form.SCRIPT)),
    )
    exported.beside[-1].write_text(_readme(exported, one=one, use=form.USE), encoding="utf-8")
    return exported


def _facts(one: Classifier, graph: Graph, *, run: str, temperature: float) -> dict[str, object]:
    preprocessing = graph.input_facts
    return {"run": run, "classes": [*one.class_names], "preprocessing": preprocessing, "temperature": temperature}


def _companions(path: Path, *, script: ModuleType | None) -> Iterator[Path]:
    """The script beside `path`, which is written here, if there is one, and the README's place."""
    if script is not None:
        yield Path(shutil.copyfile(str(script.__file__), path.with_name(path.stem + script.SUFFIX)))
    yield path / "README.md" if path.is_dir() else path.with_name(f"{path.name}-README.md")


def require(*packages: str) -> None:
    """Raises `UnavailableError`, naming them all, unless every one of `packages` is installed."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"package {missing[0]} must be installed to export; it is not. Run pip install {' '.join(missing)}."
        )


@torch.no_grad()
def _difference(module: nn.Module, graph: Graph, *, found: np.ndarray) -> float:
    """The largest difference of a probability on the examples; `TransferBenchError` where it is too large."""
    expected = module(torch.from_numpy(graph.examples)).numpy()
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise TransferBenchError(
            f"exported graph must give torch's probabilities within {TOLERANCE}; got a difference of "
            f"{difference:.2g}. Nothing was written."
        )
    return difference


def _bytes(path: Path) -> int:
    return sum(one.stat().st_size for one in path.iterdir()) if path.is_dir() else path.stat().st_size


def _readme(found: Exported, *, one: Classifier, use: str) -> str:
    """What the model is, how to apply it, and how far it may be trusted."""
    record, test = one.record, one.record.test
    how = use.format(
        name=found.path.name,
        script=found.beside[-2].name if len(found.beside) > 1 else "",
        shape=f"[{', '.join(map(str, found.input_shape))}]",
        count=len(found.class_names),
    )
    return (
        f"# {record.name}\n\nClasses: {written(found.class_names)}.\n\n"
        f"Test accuracy of run {record.run} on {record.dataset.name}: {100 * test.accuracy:.2f} % "
        f"({100 * test.interval[0]:.2f} to {100 * test.interval[1]:.2f} %).\n\n{how}\n"
        f"On {found.compared_images} real images its probabilities were at most {found.from_predict:.1g} from those of "
        f"`pipeline predict`, and {found.other_classes} got another class.\n"
    )
