"""A graph as an ONNX file; its classes and preprocessing are in the metadata, and a script beside it applies it."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from extract.errors import TransferBenchError
from extract.runtime.disk import replacing
from pipelines.predict import standalone
from pipelines.predict.classify import Graph

placed = replacing
NEEDED, SCRIPT = ("onnx", "onnxscript", "onnxruntime"), standalone
LARGEST_BYTES = 2**31 - 2**24  # of tensors in one file: protobuf ends at 2 GB, and the graph takes room too
USE = """Needs onnxruntime, numpy and Pillow:

    python {script} photo.jpg more.png

Or in Python: input `images` is uint8 {shape}, output `probabilities` float32 [N, {count}].

    import json, onnxruntime
    session = onnxruntime.InferenceSession("{name}")
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    (probabilities,) = session.run(None, {{"images": images}})
"""


@torch.no_grad()
def write(graph: Graph, *, module: nn.Module, path: Path, facts: dict[str, object], final: Path) -> tuple[Path, ...]:
    """Writes `module` with `facts` in the metadata; the file beside `final` that holds the tensors of a large one.

    Raises `TransferBenchError` where torch cannot export it.
    """
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
    onnx.helper.set_model_props(
        model, {key: one if isinstance(one, str) else json.dumps(one) for key, one in facts.items()}
    )
    if sum(len(tensor.raw_data) for tensor in model.graph.initializer) <= LARGEST_BYTES:
        onnx.save(model, path)
        return ()
    beside = final.with_name(f"{final.name}.data")
    beside.unlink(missing_ok=True)  # or it would be appended to
    onnx.save(model, path, save_as_external_data=True, location=beside.name)
    return (beside,)


def answers(path: Path, graph: Graph) -> np.ndarray:
    """float32 [N, K]: the probabilities that the file gives for the graph's examples."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(["probabilities"], {"images": graph.examples})
    return np.asarray(found)


def _reason(error: Exception) -> str:
    """The first line of what went wrong, without the exporter's advice around it."""
    return str(error.__cause__ or error).strip().splitlines()[0].rstrip(".")
