"""Images a second from CIFAR-10 to embeddings at 224 pixels, all sides in turn in one run.

(a) what a user would write today: torchvision's CIFAR-10, timm's transform, a DataLoader with as many workers
    as cores, eager float32;
(b) OpenVINO where it is installed, timm's network alone on images that are prepared, at its best setting: throughput
    hint, several requests in flight, the faster of one and eight images a request, and in the faster precision whose
    lowest cosine to float32 is above 0.999 (float32 where bfloat16 is not);
ours: from raw images to the finished feature file, by the engine that `auto` takes in a whole run, and by those that
    --engines names. The time to get ready is reported apart.

    python -m benchmarks.extraction --data-dir DIR [--backbones resnet50,...] [--seconds 12] [--rounds 3]

Each side has a process of its own, as a user's would be: what one leaves in memory slows the next by some per cent.
Rates of a round are taken one after another; the ratios are medians over rounds of ratios within a round. Cosines are
those of 16 test images, the hardest four of 3,000 for tf_efficientnet_lite0 among them, which has its real weights.
"""

import argparse
import contextlib
import dataclasses
import functools
import statistics
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor

from benchmarks.hardware import earlier_today, write
from extract.backbones import frozen
from extract.backbones.transforms import Normalize
from extract.data import cifar, images
from extract.features import embed, engines, extraction
from extract.runtime import openvino_model
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_device, resolve_precision
from extract.runtime.machine import core_count

BACKBONES = (
    *("resnet50", "densenet121", "vgg16_bn", "resnetv2_50", "tf_efficientnet_lite0", "resnet18"),
    *("mobilenetv3_large_100", "convnext_tiny", "swin_tiny_patch4_window7_224", "vit_small_patch16_224"),
)
WEIGHTS = {"tf_efficientnet_lite0": "packaged"}  # what can be had everywhere
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "h5py")
SEEN = (*range(12), 367, 1503, 1556, 2624)  # test images whose cosines are told
TRUE = 0.999


def main() -> None:
    """Parses the command line, measures every backbone, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--engines", default="", help="further engines of ours, with commas between")
    parser.add_argument("--seconds", type=float, default=12.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    device = resolve_device("auto")
    results = earlier_today("extraction", "results")
    libraries = (*LIBRARIES, "openvino") if openvino_model.is_installed() else LIBRARIES
    for name in given.backbones.split(","):
        results[name] = measure(name, given, device=device)
        print(name, {key: value for key, value in results[name].items() if key != "rounds"}, flush=True)
        print(write("extraction", {"device": device, "results": results}, libraries=libraries), flush=True)


def measure(name: str, given: argparse.Namespace, *, device: str) -> dict[str, Any]:
    """Rates of all sides for one backbone at 224 pixels, and their fidelity."""
    data = _data(given.data_dir)
    exact = Embedded(name, data, precision="float32", engine="eager", device=device)(_seen(data))
    kinds: dict[str, tuple[Any, ...]] = {"plain": (Plain,)}
    if openvino_model.is_installed() and device == "cpu":
        kinds["openvino"] = (OpenVino,)
    kinds |= {"ours": (Ours, "auto")} | {
        f"ours {engine}": (Ours, engine) for engine in filter(None, given.engines.split(","))
    }
    with contextlib.ExitStack() as stack:
        start = functools.partial(ProcessPoolExecutor, 1, mp_context=get_context("spawn"), initializer=_begin)
        pools = {
            side: stack.enter_context(start(initargs=(kind, name, given.data_dir, exact, device, *words)))
            for side, (kind, *words) in kinds.items()
        }
        for pool in pools.values():  # one after another
            pool.submit(_rate, 1.0).result()
        measured = [
            {side: pool.submit(_rate, given.seconds).result() for side, pool in pools.items()}
            for _ in range(given.rounds)
        ]
        said = {side: pool.submit(_said).result() for side, pool in pools.items()}
    ours = [side for side in kinds if side.startswith("ours")]
    return {
        "images_per_second": {side: statistics.median(one[side] for one in measured) for side in kinds},
        "ratios": {
            f"{key}/{side}": statistics.median(one[key] / one[side] for one in measured)
            for key in ours
            for side in kinds
            if side != key
        },
        "cosine": {key: value for one in said.values() for key, value in one.get("cosine", {}).items()},
        "setting": {side: one["setting"] for side, one in said.items() if "setting" in one},
        "ready_seconds": {key: said[key]["ready_seconds"] for key in ours},
        "peak_memory_beyond_model_and_data_bytes": said["ours"]["peak_bytes"],
        "precision": said["ours"]["precision"],
        "rounds": measured,
    }


_side: Any = None  # that of this process


def _begin(kind: Any, name: str, data_dir: Path, exact: Tensor, device: str, *words: str) -> None:
    global _side
    _side = kind(name, data_dir, *words, exact=exact, device=device)


def _rate(seconds: float) -> float:
    return _side.rate(seconds)


def _said() -> dict[str, Any]:
    return _side.said()


def lowest_cosine(left: Tensor, right: Tensor) -> float:
    """The lowest cosine between rows of two matrices [N, D]."""
    return float(torch.nn.functional.cosine_similarity(left, right).min())


class Embedded:
    """Embeddings float32 [N, D] of uint8 images [N, 3, 32, 32] by one of our engines."""

    def __init__(self, name: str, data: images.ImageSet, *, precision: str, engine: str, device: str) -> None:
        backbone = load(name)
        resize = embed.source(data.splits["test"].images, backbone.preprocessing).resize
        encoder = embed.Encoder(backbone, resize=resize, precision=precision)
        self._model, self._device = engines.build(encoder, engine=engine, device=device), device

    @torch.no_grad()
    def __call__(self, levels: Tensor) -> Tensor:
        return torch.cat([self._model(part.to(self._device))[0].cpu() for part in levels.split(8)])


def load(name: str) -> frozen.Backbone:
    """The backbone at 224 pixels, with real weights where a package has them."""
    return frozen.load(name, weights=WEIGHTS.get(name, "untrained"), image_size=224)


def _data(data_dir: Path) -> images.ImageSet:
    return cifar.load("cifar10", cifar.find("cifar10", data_dir))


def _seen(data: images.ImageSet) -> Tensor:
    return torch.from_numpy(data.splits["test"].images.array[list(SEEN)])


class Plain:
    """(a): the ordinary script, its first batch and the start of its workers left out."""

    def __init__(self, name: str, data_dir: Path, *, exact: Tensor, device: str) -> None:
        self._name, self._data_dir, self._device = name, data_dir, device

    def said(self) -> dict[str, Any]:
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
    def __init__(self, name: str, data_dir: Path, *, exact: Tensor, device: str) -> None:
        backbone, data = load(name), _data(data_dir)
        resize = embed.source(data.splits["test"].images, backbone.preprocessing).resize
        assert resize is not None
        levels = resize(_seen(data))
        inputs = Normalize(backbone.preprocessing, torch.float32)(levels).contiguous().numpy()
        found: list[tuple[float, str, Any, np.ndarray]] = []
        for precision in ("bf16", "f32"):
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

    def said(self) -> dict[str, Any]:
        """The cosine of the setting, that of bfloat16, and the setting."""
        return {
            "cosine": {"openvino": self.cosine, "openvino in bfloat16": self.bfloat16_cosine},
            "setting": self.setting,
        }

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


class Ours:
    """Raw images to the finished file, by the same calls that `pipeline extract` makes in a whole run."""

    def __init__(self, name: str, data_dir: Path, engine: str, *, exact: Tensor | None = None, device: str) -> None:
        self._name, self._data, self._exact = name, _data(data_dir), exact
        self._key = "ours" if engine == "auto" else f"ours {engine}"
        precision = resolve_precision("auto", device)
        batch_size = automatic_batch_size(device, 224)
        self._config = extraction.Computation(device, precision, "plain", "float16", batch_size, engine)
        layout, _ = extraction.plan(self._data, load(name), spec={}, config=self._config)
        self._config = dataclasses.replace(self._config, inference=layout.engine)
        self._ready_seconds = 0.0
        self._peak_bytes = 0
        self._per_second = self._rate(512)

    def said(self) -> dict[str, Any]:
        """Cosine, engine, precision, the time to get ready and the memory."""
        assert self._exact is not None
        config = self._config
        embedded = Embedded(
            self._name, self._data, precision=config.precision, engine=config.inference, device=config.device
        )
        return {
            "cosine": {self._key: lowest_cosine(embedded(_seen(self._data)), self._exact)},
            "setting": config.inference,
            "precision": config.precision,
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


if __name__ == "__main__":
    main()
