"""A run as one ONNX graph, from uint8 pixels to probabilities, checked against torch before it gets its name."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from extract.errors import TransferBenchError, UnavailableError
from extract.runtime.disk import replacing
from pipelines.predict.classify import Classifier, Graph, divisor, probabilities
from pipelines.workspace import writable

TOLERANCE = 1e-4  # largest difference of a probability; both sides compute in float32
LARGEST_BYTES = 2**31 - 2**24  # of tensors in one file: protobuf ends at 2 GB, and the graph takes room too
NEEDED = ("onnx", "onnxscript", "onnxruntime")


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
    """The file that was written, its size, what goes in and out, and the largest difference from torch in float32.

    `from_predict` is that from the probabilities of `predict --exact`, which computes as the run did (bfloat16, say),
    on `compared_images` real images, of which `other_classes` get another class. `file_bytes` counts `path` and, of a
    model over 2 GB, the file with its tensors beside it, `path` + ".data".
    """

    path: Path
    file_bytes: int
    input_shape: tuple[str | int, ...]
    class_names: tuple[str, ...]
    largest_difference: float
    from_predict: float
    other_classes: int
    compared_images: int


def export(one: Classifier, path: Path, *, run: str, calibrated: bool = False) -> Exported:
    """Writes `path`: input `images` uint8 [N, 3, h, w], any N; output `probabilities` float32 [N, K].

    h and w are those of the data set, or of the network where images come in many sizes: then they must be
    resized already. Classes are in the file's metadata. Raises `UnavailableError` where a package is missing,
    `InvalidInputError` where no file can be written at `path`, and `TransferBenchError` where the graph cannot be
    exported or does not give what torch gives.
    """
    require(*NEEDED)
    writable.check("output", path, stream=False)
    graph = one.graph()
    module = Probabilities(graph.module, divisor(one, calibrated=calibrated)).eval()
    beside = path.with_name(f"{path.name}.data")
    facts = {"run": run, "classes": json.dumps(list(one.class_names))}
    with replacing(path) as temporary:
        is_split = _write(module, graph, path=temporary, facts=facts, beside=beside)
        try:
            difference = _difference(module, graph, path=temporary)
            found = _answers(temporary, graph.examples)
        except BaseException:
            if is_split:
                beside.unlink(missing_ok=True)
            raise
    expected = probabilities(one, graph.predicted, calibrated=calibrated)
    return Exported(
        path,
        path.stat().st_size + (beside.stat().st_size if is_split else 0),
        ("N", 3, graph.height, graph.width),
        one.class_names,
        difference,
        from_predict=float(np.abs(found - expected).max()),
        other_classes=int((found.argmax(1) != expected.argmax(1)).sum()),
        compared_images=len(found),
    )


def require(*packages: str) -> None:
    """Raises `UnavailableError`, naming them all, unless every one of `packages` is installed."""
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UnavailableError(
            f"package {missing[0]} must be installed to export; it is not. Run pip install {' '.join(missing)}."
        )


@torch.no_grad()
def _write(module: nn.Module, graph: Graph, *, path: Path, facts: dict[str, str], beside: Path) -> bool:
    """Writes the graph; a large one's tensors into the file `beside`, which is then True."""
    import onnx

    example = torch.zeros(2, 3, graph.height, graph.width, dtype=torch.uint8)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                module,
                (example,),
                input_names=["images"],
                output_names=["probabilities"],
                dynamic_shapes={"images": {0: torch.export.Dim("N")}},
                dynamo=True,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise TransferBenchError(
            f"network must be one that torch can export to ONNX; {_reason(error)}. Another backbone may do."
        ) from error
    model = program.model_proto
    for node in model.graph.node:  # or paths of this machine would be in the file
        node.ClearField("metadata_props")
    onnx.helper.set_model_props(model, facts)
    is_large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > LARGEST_BYTES
    if is_large:
        beside.unlink(missing_ok=True)  # or it would be appended to
        onnx.save(model, path, save_as_external_data=True, location=beside.name)
    else:
        onnx.save(model, path)
    return is_large


def _reason(error: Exception) -> str:
    """The first line of what went wrong, without the exporter's advice around it."""
    return str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")


@torch.no_grad()
def _difference(module: nn.Module, graph: Graph, *, path: Path) -> float:
    """The largest difference of a probability on a few images; `TransferBenchError` where it is too large."""
    images = _checked_images(graph.height, graph.width)
    expected = module(torch.from_numpy(images)).numpy()
    difference = float(np.abs(_answers(path, images) - expected).max())
    if not difference <= TOLERANCE:
        raise TransferBenchError(
            f"exported graph must give torch's probabilities within {TOLERANCE}; got a difference of "
            f"{difference:.2g}. Nothing was written."
        )
    return difference


def _answers(path: Path, images: np.ndarray) -> np.ndarray:
    """float32 [N, K]: the probabilities that the graph in `path` gives."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": images})
    return np.asarray(found)


def _checked_images(height: int, width: int) -> np.ndarray:
    """uint8 [3, 3, height, width]: noise, faint noise, and a slope, on which a network is not equally sure."""
    noise = np.random.default_rng(0).integers(0, 256, (2, 3, height, width), np.uint8)
    noise[1] = noise[1] // 8 + 112
    slope = np.linspace(0, 255, height * width).reshape(1, 1, height, width).repeat(3, axis=1)
    return np.concatenate([noise, slope.astype(np.uint8)])
