"""The sides of `benchmarks.extraction`: the plain loop, OpenVINO and ours, each with its rate and facts about it."""

import dataclasses
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from extract.backbones import frozen
from extract.backbones.transforms import Normalize
from extract.data import cifar, images
from extract.features import embed, engines, extraction
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_precision
from extract.runtime.machine import core_count, processor_has_bfloat16

WEIGHTS = {"tf_efficientnet_lite0": "packaged"}  # what can be had everywhere
SEEN = (*range(12), 367, 1503, 1556, 2624)  # test images whose cosines are told
TRUE = 0.999


def lowest_cosine(left: Tensor, right: Tensor) -> float:
    """The lowest cosine between rows of two matrices [N, D]."""
    return float(torch.nn.functional.cosine_similarity(left, right).min())


def load(name: str) -> frozen.Backbone:
    """The backbone at 224 pixels, with real weights where a package has them."""
    return frozen.load(name, weights=WEIGHTS.get(name, "untrained"), image_size=224)


def _seen(data_dir: Path, backbone: frozen.Backbone) -> tuple[Tensor, nn.Module]:
    """The images uint8 [16, 3, 32, 32] whose cosines are told, and what makes them levels at 224 pixels."""
    pixels = cifar.load("cifar10", cifar.find("cifar10", data_dir)).splits["test"].images
    assert isinstance(pixels, images.Pixels)
    resize = embed.source(pixels, backbone.preprocessing).resize
    assert resize is not None
    return torch.from_numpy(pixels.array[list(SEEN)]), resize


@torch.no_grad()
def embeddings(name: str, data_dir: Path, *, precision: str, engine: str, device: str) -> Tensor:
    """Embeddings float32 [16, D] of those images by one of our engines."""
    backbone = load(name)
    seen, resize = _seen(data_dir, backbone)
    encoder = embed.Encoder(backbone, resize=resize, precision=precision)
    model = engines.build(encoder, engine=engine, device=device)
    return torch.cat([model(part.to(device))[0].cpu() for part in seen.split(8)])


class Plain:
    """(a): the ordinary script, its first batch and the start of its workers left out."""

    def __init__(self, name: str, data_dir: Path, *, device: str) -> None:
        self._name, self._data_dir, self._device = name, data_dir, device

    def facts(self, exact: Tensor) -> dict[str, Any]:
        """Nothing beside the rate."""
        return {}

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`."""
        import timm
        import torchvision

        network = timm.create_model(self._name, pretrained=False, num_classes=0).eval().to(self._device)
        config = {**timm.data.resolve_model_data_config(network), "input_size": (3, 224, 224)}
        transform = timm.data.create_transform(**config, is_training=False)
        dataset = torchvision.datasets.CIFAR10(str(self._data_dir), train=True, transform=transform)
        loader = torch.utils.data.DataLoader(dataset, batch_size=32, num_workers=core_count())
        done, watch = 0, None
        with torch.no_grad():
            for batch, _ in loader:
                network(batch.to(self._device)).cpu().numpy()
                if watch is None:
                    watch = Stopwatch(self._device)
                    continue
                done += len(batch)
                if watch.seconds() > seconds:
                    break
        assert watch is not None
        return done / watch.seconds()


class OpenVino:
    """(b): timm's network in OpenVINO on prepared images, at the fastest of its settings that is true."""

    @torch.no_grad()
    def __init__(self, name: str, data_dir: Path, *, exact: Tensor) -> None:
        backbone = load(name)
        seen, resize = _seen(data_dir, backbone)
        levels = resize(seen)
        inputs = Normalize(backbone.preprocessing, torch.float32)(levels).contiguous().numpy()
        found: list[tuple[float, str, Any, np.ndarray]] = []
        self.bfloat16_cosine: float | None = None
        # Without units for it that precision is emulated, at a quarter of the rate of float32.
        for precision in ("bf16", "f32") if processor_has_bfloat16() else ("f32",):
            for batch in (1, 8):
                example = np.ascontiguousarray(inputs[:batch])
                compiled = self._compiled(backbone.module, example, precision)
                outputs = [compiled(inputs[at : at + batch])[0] for at in range(0, len(inputs), batch)]
                cosine = lowest_cosine(torch.from_numpy(np.concatenate(outputs)), exact)
                found.append((cosine, f"{precision}, {batch} images a request", compiled, example))
            if precision == "bf16":
                self.bfloat16_cosine = min(one[0] for one in found)
                if self.bfloat16_cosine > TRUE:
                    break
        self._true = [one for one in found if one[0] > TRUE]
        self.cosine, self.setting, *_ = self._true[0]

    def facts(self, exact: Tensor) -> dict[str, Any]:
        """The cosine of the setting, that of bfloat16, and the setting."""
        in_bfloat16 = {} if self.bfloat16_cosine is None else {"in bfloat16": self.bfloat16_cosine}
        return {"cosine": {"": self.cosine, **in_bfloat16}, "setting": self.setting}

    def _compiled(self, module: torch.nn.Module, example: np.ndarray, precision: str) -> Any:
        import openvino

        model = openvino.convert_model(module, example_input=torch.from_numpy(example))
        model.reshape(list(example.shape))
        hints = {"INFERENCE_PRECISION_HINT": precision, "PERFORMANCE_HINT": "THROUGHPUT"}
        return openvino.Core().compile_model(model, "CPU", hints)

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds` by the fastest setting, which is sought anew."""
        each = seconds / len(self._true)
        rates = [_in_flight(compiled, example, seconds=each) for *_, compiled, example in self._true]
        self.cosine, self.setting, *_ = self._true[int(np.argmax(rates))]
        return max(rates)


def _in_flight(compiled: Any, example: np.ndarray, *, seconds: float) -> float:
    import openvino

    queue = openvino.AsyncInferQueue(compiled)  # as many requests as OpenVINO holds best
    for _ in range(len(queue)):
        queue.start_async({0: example})
    queue.wait_all()
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        queue.start_async({0: example})
        done += len(example)
    queue.wait_all()
    return done / (time.perf_counter() - start)


class TimmCompiled:
    """What timm's own benchmark measures, at its best setting: the network alone, compiled, in bfloat16 and channels
    last, over one batch that lies on the device."""

    batch_size = 256

    def __init__(self, name: str, *, device: str) -> None:
        import timm

        network = timm.create_model(name, num_classes=0).eval().to(device, torch.bfloat16)
        self._forward = torch.compile(network.to(memory_format=torch.channels_last))
        shape = (self.batch_size, 3, 224, 224)
        inputs = torch.randn(shape, device=device, dtype=torch.bfloat16)
        self._inputs = inputs.contiguous(memory_format=torch.channels_last)
        self._device = device
        self.rate(0)  # compiles

    def facts(self, exact: Tensor) -> dict[str, Any]:
        """Nothing beside the rate."""
        return {}

    @torch.no_grad()
    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`; the host waits for the device now and then only."""
        watch, done = Stopwatch(self._device), 0
        while True:
            for _ in range(8):
                self._forward(self._inputs)
            done += 8 * self.batch_size
            if watch.seconds() > seconds:
                return done / watch.seconds()


class Ours:
    """Raw images to the finished file, by the same calls that `pipeline extract` makes in a whole run."""

    def __init__(self, name: str, data_dir: Path, engine: str, *, device: str) -> None:
        self._name, self._data_dir = name, data_dir
        self._data = cifar.load("cifar10", cifar.find("cifar10", data_dir))
        precision, batch_size = resolve_precision("auto", device), automatic_batch_size(device, 224)
        config = extraction.Computation(device, precision, "plain", "float16", batch_size, engine)
        layout, _ = extraction.plan(self._data, load(name), spec={}, config=config)  # of the whole run
        self._config = dataclasses.replace(config, inference=layout.engine)
        self._ready_seconds = 0.0
        self._peak_bytes = 0
        self._per_second = self._rate(512)

    def facts(self, exact: Tensor) -> dict[str, Any]:
        """Cosine to `exact`, engine, precision, the time to get ready and the memory."""
        engine, precision, device = self._config.inference, self._config.precision, self._config.device
        made = embeddings(self._name, self._data_dir, precision=precision, engine=engine, device=device)
        return {
            "cosine": {"": lowest_cosine(made, exact)},
            "setting": engine,
            "precision": precision,
            "ready_seconds": self._ready_seconds,
            "peak_bytes": self._peak_bytes,
        }

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`, file written and synced, the time to get ready left out.

        1,024 images at least: of fewer, the last ones, when threads run out of work, would be more than in a whole run.
        """
        return self._rate(max(round(self._per_second * seconds / 1024), 1) * 1024)

    def _rate(self, rows: int) -> float:
        part = images.subset(self._data, train=rows - 64, test=64, seed=0)
        backbone = load(self._name)
        layout, _ = extraction.plan(part, backbone, spec={"benchmark": self._name}, config=self._config)
        with tempfile.TemporaryDirectory() as folder, PeakMemory() as memory:
            timing = extraction.extract(
                part,
                backbone,
                layout=layout,
                config=self._config,
                path=Path(folder) / "features.h5",
                progress=memory.look,
                notice=print,
                estimated=lambda _: memory.look(),
            )
        self._ready_seconds = timing.compile_seconds
        self._peak_bytes = max(self._peak_bytes, memory.peak_bytes)
        return timing.images_per_second


class PeakMemory:
    """The most resident memory above what the process held when the measurement began."""

    def __enter__(self) -> "PeakMemory":
        self._process = psutil.Process()
        self._start = self._process.memory_info().rss
        self.peak_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def look(self, *_: int) -> None:
        """Reads the resident memory now."""
        self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss - self._start)

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self.look()
