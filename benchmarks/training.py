"""Images a second of training on CIFAR-10, the plain loop and ours in turn in one run.

plain: what students write today: torchvision's CIFAR-10 with RandomCrop, RandomHorizontalFlip, ToTensor and
    Normalize, a DataLoader with two workers, float32, torch.optim.SGD, the loss read every step;
eager, compiled: ours: the same network, batch, optimizer and augmentation through `finetune.training.trainer`,
    as `fit` runs it: images on the device, the precision that the hardware multiplies, channels last.

    python -m benchmarks.training --data-dir DIR [--networks resnet18,...] [--batch-size 128] [--seconds 60]

Two floors stand beside each network: its arithmetic at the rate of a large matrix product in the same precision, and
the bytes of its maps at the bandwidth of a large copy. Also the share of data and augmentation in one of our steps,
timed apart on the same batches. Warm-up and compiling are left out of the rates and reported. Ratios are medians over
rounds of ratios within a round.
"""

import argparse
import functools
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision import transforms

from benchmarks.hardware import copy_bandwidth, earlier_today, matrix_product_rate, write
from extract.backbones.cost import cost
from extract.data import cifar
from extract.data.images import Pixels
from extract.runtime.devices import Stopwatch, resolve_device, torch_device, torch_dtype
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import overridden, recipe
from finetune.training.config import TrainConfig
from finetune.training.trainer import Trainer
from heads.neural.optimize import Totals

NETWORKS = ("resnet18", "preact18", "densenet121", "vgg16", "resnet20")
ENGINES = {"eager": "off", "compiled": "on"}  # the option of a recipe that takes each
MAP_PASSES = 5  # written, read twice, the gradient written and read: the least that training does to a map
LIBRARIES = ("torch", "torchvision", "timm", "numpy")
NORMALISATION = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
WARM_UP_STEPS = 2


def main() -> None:
    """Parses the command line, measures every network, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--engines", default="eager", help="of ours, of eager and compiled")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    device = resolve_device("auto")
    results = earlier_today("training", "results")
    for name in given.networks.split(","):
        key = f"{name}, batch {given.batch_size}"
        options = {"device": device, "batch_size": given.batch_size}
        ours = {one: Ours(name, given.data_dir, engine=one, **options) for one in given.engines.split(",")}
        sides: dict[str, Callable[[float], float]] = {
            "plain": functools.partial(plain_rate, name, given.data_dir, **options),
            **{engine: one.rate for engine, one in ours.items()},
        }
        measured = [{side: rate(given.seconds) for side, rate in sides.items()} for _ in range(given.rounds)]
        results[key] = summary(measured, ours)
        print(key, {name: value for name, value in results[key].items() if name != "rounds"}, flush=True)
        print(write("training", {"device": device, "results": results}, libraries=LIBRARIES), flush=True)


def summary(measured: list[dict[str, float]], ours: dict[str, "Ours"]) -> dict[str, Any]:
    """Medians and ratios of the rounds, floors of the fastest of our engines, and the share of its data."""
    medians = {side: statistics.median(one[side] for one in measured) for side in measured[0]}
    fastest = max(ours, key=lambda engine: medians[engine])
    pairs = [(one, other) for one in ours for other in ("plain", "eager") if other in medians and other != one]
    trainer = ours[fastest].trainer
    step_seconds, data_seconds = trainer.recipe.batch_size / medians[fastest], ours[fastest].data_seconds()
    return {
        "images_per_second": medians,
        **{
            f"{left}/{right}": statistics.median(each[left] / each[right] for each in measured) for left, right in pairs
        },
        "engine": fastest,
        "data_and_augmentation_share": data_seconds / step_seconds,
        "step_seconds": step_seconds,
        "data_seconds": data_seconds,
        **floors(trainer),
        "start_seconds": {name: each.start_seconds for name, each in ours.items()},
        "precision": trainer.precision,
        "threads": torch.get_num_threads(),
        "rounds": measured,
    }


def floors(trainer: Trainer) -> dict[str, float]:
    """The least seconds of a step by arithmetic and by memory, and the rates measured here that they go by."""
    found, device = cost(trainer.network, image_size=trainer.batches.size), str(trainer.device)
    flops = 3 * found.flops
    map_bytes = MAP_PASSES * found.activation_bytes * torch_dtype(trainer.precision).itemsize / 4
    rate, bandwidth = matrix_product_rate(device, trainer.precision), copy_bandwidth(device)
    return {
        "training_flops_per_image": flops,
        "training_map_bytes_per_image": map_bytes,
        "matrix_product_flops_per_second": rate,
        "copy_bytes_per_second": bandwidth,
        "arithmetic_floor_seconds": trainer.recipe.batch_size * flops / rate,
        "memory_floor_seconds": trainer.recipe.batch_size * map_bytes / bandwidth,
    }


def plain_rate(name: str, data_dir: Path, seconds: float, *, device: str, batch_size: int) -> float:
    """Images a second of the ordinary script, its first steps and the start of its workers left out."""
    transform = transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(*NORMALISATION),
        ]
    )
    dataset = torchvision.datasets.CIFAR10(str(data_dir), train=True, transform=transform)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=batch_size, shuffle=True, num_workers=2, pin_memory=device != "cpu"
    )
    network = networks.build(name, n_classes=10, image_size=32).to(device).train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    done, watch, running = 0, Stopwatch(device), 0.0
    for step, (images, labels) in enumerate(itertools.chain.from_iterable(itertools.repeat(loader))):
        if step == WARM_UP_STEPS:
            done, watch = 0, Stopwatch(device)
        images, labels = images.to(device), labels.to(device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
        running += loss.item()
        done += len(labels)
        if step >= WARM_UP_STEPS and watch.seconds() > seconds:
            break
    return done / watch.seconds()


class Ours:
    """The trainer that `fit` uses, run for a while at a time."""

    def __init__(self, name: str, data_dir: Path, *, device: str, batch_size: int, engine: str) -> None:
        place = torch_device(device)
        split = cifar.load("cifar10", cifar.find("cifar10", data_dir)).splits["train"]
        pixels = split.images
        assert isinstance(pixels, Pixels)
        train = LabeledImages(torch.from_numpy(pixels.array), torch.from_numpy(split.labels)).to(place)
        network = networks.build(name, n_classes=10, image_size=32).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        chosen = overridden(recipe("standard"), batch_size=batch_size, compile=ENGINES[engine])
        config = TrainConfig(NORMALISATION, device=device, whiten=False)
        self.trainer = Trainer(network, train, recipe=chosen, config=config)
        if self.trainer.engine != engine:
            raise SystemExit(f"engine must be available here; got {self.trainer.engine} in place of {engine}")
        self.trainer.start()
        watch = Stopwatch(device)
        with self.trainer.surroundings():
            self._run(lambda totals: totals.step >= WARM_UP_STEPS)
        self.start_seconds = watch.seconds()

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`."""
        with self.trainer.surroundings():
            watch = Stopwatch(str(self.trainer.device))
            rows = self._run(lambda totals: watch.seconds() > seconds)
            return rows / watch.seconds()

    def data_seconds(self, steps: int = 20) -> float:
        """Seconds for one batch alone: drawn, gathered, augmented, normalized; the draws of an epoch shared out."""
        watch = Stopwatch(str(self.trainer.device))
        for _ in itertools.islice(self.trainer.batches(0), steps):
            pass
        first = watch.seconds()
        watch = Stopwatch(str(self.trainer.device))
        next(iter(self.trainer.batches(0)))
        start = watch.seconds()  # the draws of the whole epoch, and one batch
        each = (first - start) / (steps - 1)
        return each + max(start - each, 0.0) / self.trainer.steps_per_epoch

    def _run(self, stop: Callable[[Totals], bool]) -> int:
        return sum(epoch.totals.row_count for epoch in itertools.islice(self.trainer.epochs(stop=stop), 1))


if __name__ == "__main__":
    main()
