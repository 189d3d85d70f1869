"""Milliseconds to resize and normalize a batch of CIFAR-10, compiled: whole, and split as extraction does.

split: a graph ends where `extract.runtime.devices.split_graph` says, so that the columns that were resized lie in
memory; whole: the same code with that call left out.

    python -m benchmarks.preparation --data-dir DIR [--backbones resnet50,...] [--seconds 2] [--rounds 5]

Times of a round are taken one after another; the ratios are medians over rounds of ratios within a round.
"""

import argparse
import contextlib
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.extraction import BACKBONES
from benchmarks.hardware import write
from extract.backbones import frozen
from extract.data import cifar
from extract.data.images import Pixels
from extract.features import embed, engines
from extract.features.embed import source
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_device, resolve_precision

SPLITTING = ("extract.backbones.transforms.split_graph", "extract.features.embed.split_graph")
LIBRARIES = ("torch", "timm", "numpy", "pillow")


def main() -> None:
    """Parses the command line, measures every backbone, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    device = resolve_device("auto")
    data = cifar.load("cifar10", cifar.find("cifar10", given.data_dir)).splits["train"].images
    assert isinstance(data, Pixels)
    results = {}
    for name in given.backbones.split(","):
        results[name] = measure(name, data, device=device, seconds=given.seconds, rounds=given.rounds)
        print(name, results[name], flush=True)
    print(write("preparation", {"device": device, "results": results}, libraries=LIBRARIES))


class Inputs(nn.Module):
    """What `encoder` gives its network."""

    def __init__(self, encoder: embed.Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, images: Tensor) -> Tensor:
        return self.encoder.inputs(images)


def measure(name: str, data: Pixels, *, device: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Both sides for one backbone at 224 pixels; they must give the same bits."""
    precision, batch_size = resolve_precision("auto", device), automatic_batch_size(device, 224)
    backbone = frozen.load(name, weights="untrained", image_size=224)
    resize = source(data, backbone.preprocessing).resize
    images = torch.from_numpy(data.take(np.arange(batch_size)).array).to(device)
    prepare = [Inputs(embed.Encoder(backbone, resize=resize, precision=precision)) for _ in range(2)]
    split, whole = (engines.build(one, engine="compiled", device=device) for one in prepare)  # type: ignore[arg-type]
    with memory_kept(), torch.no_grad():
        expected = split(images)
        with unsplit():
            assert torch.equal(whole(images), expected)
        measured = []
        for _ in range(rounds):
            one = _seconds(split, images, device, seconds)
            with unsplit():
                measured.append((one, _seconds(whole, images, device, seconds)))
    return {
        "batch_size": batch_size,
        "split_milliseconds": 1e3 * statistics.median(one for one, _ in measured),
        "whole_milliseconds": 1e3 * statistics.median(other for _, other in measured),
        "whole/split": statistics.median(other / one for one, other in measured),
        "precision": precision,
    }


def _nothing() -> None:
    """One function, so that Dynamo meets the same in every round."""


@contextlib.contextmanager
def unsplit() -> Iterator[None]:
    """Leaves the call out; compiled code that was made with it is not used inside (Dynamo guards on what is called)."""
    with contextlib.ExitStack() as stack:
        for place in SPLITTING:
            stack.enter_context(patch(place, _nothing))
        yield


def _seconds(run: Callable[[Tensor], Tensor], images: Tensor, device: str, seconds: float) -> float:
    """Seconds a batch."""
    run(images)
    watch, done = Stopwatch(device), 0
    while watch.seconds() < seconds:
        run(images)
        done += 1
    return watch.seconds() / done


if __name__ == "__main__":
    main()
