"""OpenVINO's CPU plugin: a torch module translated, compiled, and run with several requests in flight."""

import functools
import importlib.util
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from types import ModuleType
from typing import TYPE_CHECKING, Any

from extract.errors import UnavailableError
from extract.runtime.machine import bf16_units, thread_count

if TYPE_CHECKING:
    from openvino import InferRequest
    from torch import Size, Tensor, nn

    Chain = list[InferRequest]  # one for each part of a model: each takes what the one before it gave


# Kinds of processors, by what they compute bfloat16 with, on which it was measured to be ahead of compiled torch
# (`benchmarks.extraction`).
UNITS = ("amx_bf16", "avx512_bf16")


def is_installed() -> bool:
    """Whether the package openvino is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def is_ahead_here() -> bool:
    """Whether this is a kind of processor on which OpenVINO was measured to be the faster engine."""
    return bf16_units() in UNITS


def check() -> None:
    """Raises `UnavailableError` where the package is missing."""
    if not is_installed():
        raise UnavailableError(
            "package openvino must be installed for --inference openvino; it is not. Run pip install openvino."
        )


class OpenVinoModel:
    """`module`, uint8 [B, ...] -> float32 [1, B, D], on the CPU and for any number of images.

    Requests of `batch_size` images each run one a thread, so a row has the same bits whatever is computed beside it
    and however many threads there are. What `module` computes in float32 before it goes over to bfloat16 stays in
    float32. It is compiled on the first call for each size of image. Raises `UnavailableError` where the package is
    missing or cannot compute the module.
    """

    def __init__(self, module: "nn.Module", *, batch_size: int) -> None:
        check()
        self._module, self._batch_size = module, batch_size
        self._threads = ThreadPoolExecutor(thread_count())
        self._idle: dict[Size, SimpleQueue[Chain]] = {}

    def __call__(self, images: "Tensor") -> "Tensor":
        import torch

        shape = images.shape[1:]
        if shape not in self._idle:
            self._idle[shape] = self._compiled(images)
        computed = functools.partial(self._computed, idle=self._idle[shape])
        return torch.cat(list(self._threads.map(computed, images.split(self._batch_size))), 1)

    def _computed(self, images: "Tensor", *, idle: "SimpleQueue[Chain]") -> "Tensor":
        import torch

        count = len(images)
        if missing := self._batch_size - count:
            images = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
        values, chain = images.numpy(), idle.get()
        try:
            for request in chain:
                values = request.infer({0: values}, share_inputs=True)[0]
        finally:
            idle.put(chain)
        return torch.from_numpy(values)[:, :count]

    def _compiled(self, images: "Tensor") -> "SimpleQueue[Chain]":
        openvino = _package()
        example = images[:1].expand(self._batch_size, *images.shape[1:]).contiguous()
        try:
            parts = _cut(_translated(self._module, example))
            core = openvino.Core()
            compiled = [core.compile_model(model, "CPU", _settings(precision)) for model, precision in parts]
        except (RuntimeError, *_failures()) as error:
            raise UnavailableError(
                f"network must be one that OpenVINO {openvino.__version__} can compute; it cannot "
                f"({' '.join(str(error).split())[-200:]}). Use --inference compiled."
            ) from error
        idle: SimpleQueue[Chain] = SimpleQueue()
        for _ in range(thread_count()):
            idle.put([one.create_infer_request() for one in compiled])
        return idle


def _package() -> ModuleType:
    """The package, without the one by which its import and its tools report their use to their maker."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
    import openvino

    return openvino


def _failures() -> tuple[type[Exception], ...]:
    """Errors of the frontend, which share no type of their own."""
    from openvino import frontend

    names = ("GeneralFailure", "InitializationFailure", "NotImplementedFailure", "OpConversionFailure")
    return tuple(getattr(frontend, name) for name in (*names, "OpValidationFailure"))


def _translated(module: "nn.Module", example: "Tensor") -> Any:
    """The `openvino.Model` of the module's operators, as one call with `example` shows them."""
    import torch
    from openvino import passes
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of tracing: that it is old, and that shapes become constants
        traced = torch.jit.trace(module, example, check_trace=False, strict=False)
    frontend = FrontEndManager().load_by_framework("pytorch")
    # Shared, a bfloat16 weight would be read after it was freed (2026.4).
    decoder = TorchScriptPythonDecoder(traced, example_input=example, shared_memory=False)
    model = frontend.convert(frontend.load(decoder))
    model.reshape(list(example.shape))
    folding = passes.Manager()
    folding.register_pass(passes.ConstantFolding())  # sizes are constants now, no longer read off the images
    folding.run_passes(model)
    return model


def _cut(model: Any) -> list[tuple[Any, str]]:
    """The model, or its two parts where it goes over from float32 to bfloat16, each with the precision of its layers.

    A part has one precision, which is a setting, and float32 constants. With bfloat16 ones the plugin would add up
    biases in bfloat16 (2026.4), and lose what `extract.backbones.reduced` adds behind a convolution.
    """
    from openvino import Model, Type
    from openvino.op import Constant, Parameter

    casts = [one for one in model.get_ordered_ops() if one.get_type_name() == "Convert"]
    casts = [one for one in casts if one.get_output_element_type(0) == Type.bf16 and not _is_constant(one)]
    if not casts:
        return [(model, "f32")]
    exact = casts[0].input_value(0)
    middle = Parameter(Type.f32, exact.get_partial_shape())
    _replace(casts[0], middle.output(0))
    for one in model.get_ordered_ops():
        if one.get_type_name() == "Constant" and one.get_output_element_type(0) == Type.bf16:
            _replace(one, Constant(one.get_data(dtype="float32")).output(0))
        elif one.get_type_name() == "Convert" and one.get_output_element_type(0) == Type.bf16:
            _replace(one, one.input_value(0))
    make: Any = Model  # its stubs know one form of several
    first, rest = make([exact], model.get_parameters()), make(model.get_results(), [middle])
    rest.validate_nodes_and_infer_types()  # all are float32 now
    return [(first, "f32"), (rest, "bf16")]


def _is_constant(cast: Any) -> bool:
    return cast.input_value(0).get_node().get_type_name() == "Constant"


def _replace(operator: Any, output: Any) -> None:
    for reader in operator.output(0).get_target_inputs():
        reader.replace_source_output(output)


def _settings(precision: str) -> dict[str, str | int | bool]:
    """One thread a request, and no core of its own: several processes may share this machine."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": thread_count(),
        "INFERENCE_NUM_THREADS": thread_count(),
        "ENABLE_CPU_PINNING": False,
    }
