"""Images a second of training on CIFAR-10, the plain loop and ours in turn in one run.

plain: what students write today: torchvision's CIFAR-10 with RandomCrop, RandomHorizontalFlip, ToTensor and
    Normalize, a DataLoader with as many workers as cores, float32, torch.optim.SGD, the loss read every step;
eager, compiled: ours: the same network, batch, optimizer and augmentation through `finetune.training.trainer`, as
`fit` runs it: images on the device, the precision that the hardware multiplies, channels last.

    python -m benchmarks.training --data-dir DIR [--networks resnet18,...] [--batch-size 128] [--seconds 60]

Also the share of data and augmentation in one of our eager steps, timed apart on the same batches. Warm-up and
compiling are left out of the rates and reported. Ratios are medians over rounds of ratios within a round.
"""

import argparse
import itertools
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn
from torchvision import transforms

from benchmarks.hardware import earlier_today, matrix_product_rate, write
from extract.backbones.cost import cost
from extract.data import cifar
from extract.data.images import Pixels
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch, resolve_device, torch_device
from extract.runtime.machine import core_count
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import overridden, recipe
from finetune.training.config import TrainConfig
from finetune.training.trainer import Trainer
from heads.neural.optimize import Totals

NETWORKS = ("resnet18",)
LIBRARIES = ("torch", "torchvision", "timm", "numpy")
NORMALISATION = ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
WARM_UP_STEPS = 3


def main() -> None:
    """Parses the command line, measures every network, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=60.0, help="about how long a side is measured in a round")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    device = resolve_device("auto")
    results = earlier_today("training", "results")
    for name in given.networks.split(","):
        key = f"{name}, batch {given.batch_size}"
        results[key] = measure(
            name,
            given.data_dir,
            device=device,
            batch_size=given.batch_size,
            seconds=given.seconds,
            rounds=given.rounds,
        )
        print(key, {name: value for name, value in results[key].items() if name != "rounds"}, flush=True)
        print(write("training", {"device": device, "results": results}, libraries=LIBRARIES), flush=True)


def measure(name: str, data_dir: Path, *, device: str, batch_size: int, seconds: float, rounds: int) -> dict[str, Any]:
    """Rates of all sides for one network, and our share of data and augmentation."""
    ours = {
        engine: Ours(name, data_dir, device=device, batch_size=batch_size, engine=engine)
        for engine in ("eager", "compiled")
    }
    sides: dict[str, Callable[[], float]] = {
        "plain": lambda: plain_rate(name, data_dir, device=device, batch_size=batch_size, seconds=seconds),
        "eager": lambda: ours["eager"].rate(seconds),
        "compiled": lambda: ours["compiled"].rate(seconds),
    }
    measured = [{side: rate() for side, rate in sides.items()} for _ in range(rounds)]
    medians = {side: statistics.median(one[side] for one in measured) for side in sides}
    eager = ours["eager"]
    step_seconds = batch_size / medians["eager"]
    data_seconds = eager.data_seconds()
    flops = 3 * cost(eager.trainer.network, image_size=(32, 32)).flops

    def ratio(left: str, right: str) -> float:
        return statistics.median(one[left] / one[right] for one in measured)

    return {
        "images_per_second": medians,
        "eager/plain": ratio("eager", "plain"),
        "compiled/plain": ratio("compiled", "plain"),
        "compiled/eager": ratio("compiled", "eager"),
        "data_and_augmentation_share": data_seconds / step_seconds,
        "step_seconds": step_seconds,
        "data_seconds": data_seconds,
        "training_flops_per_image": flops,
        "flops_per_second": flops * medians["eager"],
        "matrix_product_flops_per_second": matrix_product_rate(device, eager.trainer.precision),
        "start_seconds": {name: one.start_seconds for name, one in ours.items()},
        "precision": eager.trainer.precision,
        "rounds": measured,
    }


def plain_rate(name: str, data_dir: Path, *, device: str, batch_size: int, seconds: float) -> float:
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
        dataset, batch_size=batch_size, shuffle=True, num_workers=core_count(), pin_memory=device != "cpu"
    )
    network = networks.build(name, class_count=10, image_size=32).to(device).train()
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
        network = networks.build(name, class_count=10, image_size=32).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
        compiles = "on" if engine == "compiled" else "off"
        chosen = overridden(recipe("standard"), batch_size=batch_size, compile=compiles)
        config = TrainConfig(NORMALISATION, device=device, whiten=False)
        self.trainer = Trainer(network, train, recipe=chosen, config=config)
        self.trainer.start()
        watch = Stopwatch(device)
        self._run(lambda totals: totals.step >= WARM_UP_STEPS)
        self.start_seconds = watch.seconds()

    def rate(self, seconds: float) -> float:
        """Images a second over about `seconds`."""
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

    @memory_kept()
    def _run(self, stop: Callable[[Totals], bool]) -> int:
        return sum(epoch.totals.row_count for epoch in itertools.islice(self.trainer.epochs(stop=stop), 1))


if __name__ == "__main__":
    main()
