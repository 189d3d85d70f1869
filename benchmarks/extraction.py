"""Images a second from CIFAR-10 to embeddings, all sides in turn in one run.

(a) what a user would write today: torchvision's CIFAR-10, timm's transform, a DataLoader with as many workers
    as cores, eager float32;
(b) the bare forward pass of the same optimized network on a batch that is already prepared;
(c) OpenVINO in bfloat16, bare as (b), where it is installed;
ours: from raw images to the finished feature file. Compile time is reported apart on every side.

    python -m benchmarks.extraction --data-dir DIR [--backbones resnet50,...] [--seconds 20] [--rounds 3]

Rates of a round are taken one after another; the ratios are medians over rounds of ratios within a round.
"""

import argparse
import importlib.util
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch._dynamo
import torch._inductor.config
from torch import nn

from benchmarks.hardware import earlier_today, write
from extract.backbones import frozen
from extract.backbones.transforms import Normalize, Resize
from extract.data import cifar, images
from extract.features import embed, extraction
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_device, resolve_precision
from extract.runtime.machine import core_count

BACKBONES = ("resnet50", "densenet121", "vgg16_bn", "resnetv2_50", "tf_efficientnet_lite0")
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "h5py")


def main() -> None:
    """Parses the command line, measures every backbone, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--seconds", type=float, default=12.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    device = resolve_device("auto")
    results = earlier_today("extraction", "results")
    for name in given.backbones.split(","):
        results[name] = measure(name, given.data_dir, device=device, seconds=given.seconds, rounds=given.rounds)
        print(name, {key: value for key, value in results[name].items() if key != "rounds"}, flush=True)
        versions = (*LIBRARIES, "openvino") if importlib.util.find_spec("openvino") else LIBRARIES
        print(write("extraction", {"device": device, "results": results}, libraries=versions), flush=True)


def measure(name: str, data_dir: Path, *, device: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Rates of all sides for one backbone at 224 pixels."""
    precision = resolve_precision("auto", device)
    batch_size = automatic_batch_size(device, 224)
    data = cifar.load("cifar10", cifar.find("cifar10", data_dir))
    prepared = Bare(name, data, device=device, precision=precision, batch_size=batch_size)
    sides: dict[str, Callable[[], float]] = {
        "plain": lambda: plain_rate(name, data_dir, device=device, seconds=seconds),
        "bare": lambda: prepared.rate(seconds),
    }
    if importlib.util.find_spec("openvino") and device == "cpu":
        other = OpenVino(name, prepared.batch)
        sides["openvino"] = lambda: other.rate(seconds)
    ours = Ours(name, data, device=device, precision=precision, batch_size=batch_size)
    rows = max(round(prepared.rate(3) * seconds / 512), 1) * 512
    sides["ours"] = lambda: ours.rate(rows)
    measured = [{side: rate() for side, rate in sides.items()} for _ in range(rounds)]
    medians = {side: statistics.median(one[side] for one in measured) for side in sides}
    ratio = {f"ours/{side}": statistics.median(one["ours"] / one[side] for one in measured) for side in sides}
    return {
        "images_per_second": medians,
        "ratios": {key: value for key, value in ratio.items() if key != "ours/ours"},
        "compile_seconds": {"ours": ours.compile_seconds, "bare": prepared.compile_seconds},
        "peak_memory_beyond_model_and_data_bytes": ours.peak_bytes,
        "precision": precision,
        "rows": rows,
        "rounds": measured,
    }


def plain_rate(name: str, data_dir: Path, *, device: str, seconds: float) -> float:
    """(a): images a second of the ordinary script, its first batch and the start of its workers left out."""
    import timm
    import torchvision

    network = timm.create_model(name, pretrained=False, num_classes=0).eval().to(device)
    config = {**timm.data.resolve_model_data_config(network), "input_size": (3, 224, 224)}
    transform = timm.data.create_transform(**config, is_training=False)
    dataset = torchvision.datasets.CIFAR10(str(data_dir), train=True, transform=transform)
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, num_workers=core_count())
    done, watch = 0, None
    with torch.no_grad():
        for batch, _ in loader:
            network(batch.to(device)).cpu().numpy()
            if watch is None:
                watch = Stopwatch(device)
                continue
            done += len(batch)
            if watch.seconds() > seconds:
                break
    assert watch is not None
    return done / watch.seconds()


class Bare:
    """(b): the optimized network alone, on one prepared batch."""

    def __init__(self, name: str, data: images.ImageSet, *, device: str, precision: str, batch_size: int) -> None:
        one = frozen.load(name, weights="untrained", image_size=224)
        raw = data.splits["train"].images.take(np.arange(batch_size)).array
        whole = embed.Encoder(one, resize=None, precision=precision)
        resize = Resize(one.preprocessing, height=32, width=32)
        normalize = Normalize(one.preprocessing, next(whole.network.parameters()).dtype)
        with torch.no_grad():
            self.batch = normalize(resize(torch.from_numpy(raw))).to(device)
            self._device = device
            self._compiled: Any = torch.compile(whole.network.to(device), dynamic=False)
            watch = Stopwatch(device)
            self._step()
            self.compile_seconds = watch.seconds()

    def _step(self) -> None:
        with torch._inductor.config.patch(freezing=True), torch._dynamo.config.patch(recompile_limit=4096):
            self._compiled(self.batch)

    @memory_kept()
    @torch.no_grad()
    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`."""
        self._step()
        watch, done = Stopwatch(self._device), 0
        while watch.seconds() < seconds:
            for _ in range(4):
                self._step()
                done += len(self.batch)
        return done / watch.seconds()


class OpenVino:
    """(c): the same network in OpenVINO, bfloat16, on the same prepared batch."""

    def __init__(self, name: str, batch: torch.Tensor) -> None:
        import openvino

        network: nn.Module = frozen.load(name, weights="untrained", image_size=224).module
        self._batch = batch.float().contiguous()
        model = openvino.convert_model(network, example_input=self._batch)
        model.reshape(list(self._batch.shape))
        core = openvino.Core()
        self._compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`."""
        array = self._batch.numpy()
        self._compiled(array)
        start, done = time.perf_counter(), 0
        while time.perf_counter() - start < seconds:
            self._compiled(array)
            done += len(array)
        return done / (time.perf_counter() - start)


class Ours:
    """Raw images to the finished file, by the same calls that `pipeline extract` makes, compiled."""

    def __init__(self, name: str, data: images.ImageSet, *, device: str, precision: str, batch_size: int) -> None:
        self._name, self._data = name, data
        self._config = extraction.Computation(device, precision, "plain", "float16", batch_size)
        self.compile_seconds = 0.0
        self.peak_bytes = 0

    def rate(self, rows: int) -> float:
        """Images a second for `rows` images, file written and synced, compile time left out."""
        embed.PAYS_AFTER_IMAGES = dict.fromkeys(embed.PAYS_AFTER_IMAGES, 0)  # as in a whole run, however short this
        part = images.subset(self._data, train=rows - 10, test=10, seed=0)
        backbone = frozen.load(self._name, weights="untrained", image_size=224)
        layout, _ = extraction.plan(part, backbone, spec={"benchmark": self._name}, config=self._config)
        assert layout.engine == "compiled"
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
        self.compile_seconds = timing.compile_seconds
        self.peak_bytes = max(self.peak_bytes, memory.peak_bytes)
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
