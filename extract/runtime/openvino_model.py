"""OpenVINO's CPU plugin: a torch module translated, compiled, and run with several requests in flight."""

import importlib.util
import platform
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, get_ident
from types import ModuleType
from typing import TYPE_CHECKING, Any

from extract.errors import UnavailableError
from extract.runtime.machine import bf16_units, thread_count

if TYPE_CHECKING:
    from numpy import ndarray
    from openvino import Model
    from torch import Size, Tensor, nn


# Kinds of processors, by what they compute bfloat16 with, on which it was measured to be ahead of compiled torch in
# bfloat16 (`benchmarks.extraction`). In float32 it was on x86-64, with AVX-512 and with AVX2 alone.
UNITS = ("amx_bf16", "avx512_bf16")
X86 = ("x86_64", "AMD64")


def is_installed() -> bool:
    """Whether the package openvino is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None


def is_ahead_here(precision: str) -> bool:
    """Whether this is a kind of processor on which OpenVINO was measured to be the faster engine in `precision`."""
    if precision == "float32":
        return platform.machine() in X86
    return precision == "bfloat16" and bf16_units() in UNITS


def check() -> None:
    """Raises `UnavailableError` where the package is missing."""
    if not is_installed():
        raise UnavailableError(
            "package openvino must be installed for --inference openvino; it is not. Run pip install openvino."
        )


class OpenVinoModel:
    """`module`, uint8 [B, ...] -> float32 [1, B, D], on the CPU and for any number of images.

    Requests of `batch_size` images each run one a thread, so a row has the same bits whatever is computed beside it
    and however many threads there are. Each thread compiles the network for itself, on its first request for each size
    of image: shared, OpenVINO would run every request on a thread of its own on whichever core is free, and
    mobilenetv3_large_100 would take a third longer (2026.4). What `module` computes in float32 before it goes over to
    bfloat16 stays in float32, `exact_size` images at a time, which divides `batch_size`: its large maps stay in the
    cache then. Raises `UnavailableError` where the package is missing or cannot compute the module. Several threads
    may call it.
    """

    def __init__(self, module: "nn.Module", *, batch_size: int, exact_size: int = 1) -> None:
        check()
        self._module, self._batch_size, self._exact_size = module, batch_size, exact_size
        self._threads = ThreadPoolExecutor(thread_count())
        self._halves: dict[Size, tuple[Model | None, Model]] = {}
        self._own: dict[tuple[int, Size], _Requests] = {}  # not `threading.local`, which a fork empties: it would hang
        self._translating = Lock()

    def __call__(self, images: "Tensor") -> "Tensor":
        import torch

        return torch.cat(list(self._threads.map(self._computed, images.split(self._batch_size))), 1)

    def _computed(self, images: "Tensor") -> "Tensor":
        import torch

        count = len(images)
        if missing := self._batch_size - count:
            images = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
        values = self._requests(images)(images.numpy())
        return torch.from_numpy(values)[:, :count].clone()  # the requests' own memory, for their next images

    def _requests(self, images: "Tensor") -> "_Requests":
        """Those of this thread, whose memory is in the caches of its core."""
        key = get_ident(), (shape := images.shape[1:])
        if key not in self._own:
            openvino = _package()
            try:
                with self._translating:
                    if shape not in self._halves:
                        self._halves[shape] = self._both_halves(images)
                self._own[key] = _Requests(*self._halves[shape])
            except (RuntimeError, *_failures()) as error:
                raise UnavailableError(
                    f"network must be one that OpenVINO {openvino.__version__} can compute; it cannot "
                    f"({' '.join(str(error).split())[-200:]}). Use --inference compiled."
                ) from error
        return self._own[key]

    def _both_halves(self, images: "Tensor") -> "tuple[Model | None, Model]":
        """What is computed in float32, and what goes on from there."""
        first, rest = _cut(_translated(self._module, images))
        if first is not None and self._exact_size < self._batch_size:
            first, _ = _cut(_translated(self._module, images[: self._exact_size]))
        return first, rest


class _Requests:
    """Computes batches of images uint8 [B, ...]: `exact` a part of them at a time, into the memory that `rest` reads.

    Without `exact`, `rest` takes the images. What a call gives is overwritten by the next.
    """

    def __init__(self, exact: "Model | None", rest: "Model") -> None:
        import numpy as np
        from openvino import Core, Tensor

        core = Core()
        whole = core.compile_model(rest, "CPU", _settings("f32" if exact is None else "bf16"))
        self._rest, self._parts = whole.create_infer_request(), []
        if exact is None:
            return
        middle = np.empty(list(whole.inputs[0].get_shape()), np.float32)
        self._middle = middle  # OpenVINO's tensors do not hold it
        self._rest.set_input_tensor(Tensor(middle, shared_memory=True))
        first = core.compile_model(exact, "CPU", _settings("f32"))
        size = first.inputs[0].get_shape()[0]
        for start in range(0, len(middle), size):
            rows = slice(start, start + size)
            self._parts.append((rows, first.create_infer_request()))
            self._parts[-1][1].set_output_tensor(Tensor(middle[rows], shared_memory=True))

    def __call__(self, images: "ndarray") -> "ndarray":
        for rows, request in self._parts:
            request.infer({0: images[rows]}, share_inputs=True, share_outputs=True)
        return self._rest.infer(None if self._parts else {0: images}, share_inputs=True, share_outputs=True)[0]


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


def _cut(model: Any) -> tuple[Any | None, Any]:
    """The two parts of `model` where it goes over from float32 to bfloat16; None and the model if it nowhere does.

    A part has one precision, which is a setting, and float32 constants. With bfloat16 ones the plugin would add up
    biases in bfloat16 (2026.4), and lose what `extract.backbones.reduced` adds behind a convolution. Images go from
    one to the other with their channels last, as the plugin holds them.
    """
    from openvino import Model, Type
    from openvino.op import Constant, Parameter
    from openvino.opset13 import transpose

    casts = [one for one in model.get_ordered_ops() if one.get_type_name() == "Convert"]
    casts = [one for one in casts if one.get_output_element_type(0) == Type.bf16 and not _is_constant(one)]
    if not casts:
        return None, model
    exact = casts[0].input_value(0)
    are_images = len(exact.get_shape()) == 4
    if are_images:
        exact = transpose(exact, [0, 2, 3, 1]).output(0)
    middle = Parameter(Type.f32, exact.get_partial_shape())
    _replace(casts[0], transpose(middle, [0, 3, 1, 2]).output(0) if are_images else middle.output(0))
    for one in model.get_ordered_ops():
        if one.get_type_name() == "Constant" and one.get_output_element_type(0) == Type.bf16:
            _replace(one, Constant(one.get_data(dtype="float32")).output(0))
        elif one.get_type_name() == "Convert" and one.get_output_element_type(0) == Type.bf16:
            _replace(one, one.input_value(0))
    make: Any = Model  # its stubs know one form of several
    first, rest = make([exact], model.get_parameters()), make(model.get_results(), [middle])
    rest.validate_nodes_and_infer_types()  # all are float32 now
    return first, rest


def _is_constant(cast: Any) -> bool:
    return cast.input_value(0).get_node().get_type_name() == "Constant"


def _replace(operator: Any, output: Any) -> None:
    for reader in operator.output(0).get_target_inputs():
        reader.replace_source_output(output)


def _settings(precision: str) -> dict[str, str | int | bool]:
    """One thread, which is the caller's, and no core of its own: several processes may share this machine."""
    return {
        "INFERENCE_PRECISION_HINT": precision,
        "NUM_STREAMS": 1,
        "INFERENCE_NUM_THREADS": 1,
        "ENABLE_CPU_PINNING": False,
    }
