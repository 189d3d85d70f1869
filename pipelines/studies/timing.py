"""Short trials on this machine: how fast it multiplies, embeds and trains. Imports torch.

A trial takes real steps on noise, several times, and the shortest counts: other load only makes a step longer.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from extract.backbones.frozen import Backbone
from extract.backbones.transforms import Preprocessing, Resize, resizes_by_matrix
from extract.data.images import ImageSet
from extract.errors import TransferBenchError
from extract.features import embed, engines
from extract.runtime.allocator import memory_kept
from extract.runtime.devices import Stopwatch, torch_device
from finetune.architectures import modes, networks
from finetune.augmentation.batches import LabeledImages
from finetune.recipes import Recipe
from finetune.training import evaluate
from finetune.training.config import TrainConfig
from finetune.training.loop import fit
from heads import training_sample
from pipelines.specs import NetworkSpec
from pipelines.workspace.rates import Rate

SIDES = {"cpu": 640, "cuda": 8192}  # of the matrices that are multiplied, in milliseconds
TRIALS, ENOUGH_SECONDS = 5, 0.5  # of one step: so often, or until they took so long
PRODUCTS = 40
STEPS = 2  # of training in each of three epochs, of which the first is slow
LEAST_ROWS = 4  # of a batch
FEWEST_TIMED = 3 * STEPS * LEAST_ROWS  # images of all epochs, at the least
STEP_SECONDS = 1.0  # a step that would take longer has fewer images
DECODED = 32  # files, spread over the training split
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def product_rate(device: str) -> float:
    """Floating-point operations a second of a matrix product in float32."""
    side = SIDES["cuda" if device.startswith("cuda") else "cpu"]
    factor = torch.ones(side, side, device=torch_device(device))
    return 2 * side**3 / _shortest(lambda: factor @ factor, device, count=PRODUCTS)


def embedding(backbone: Backbone, *, engine: str, side: int, precision: str, rows: int, device: str) -> Rate:
    """Seconds of an image of `side` pixels through the network in batches of `rows`; of the first, to begin."""
    network, begun = backbone.preprocessing, time.perf_counter()
    is_resized = side > 0 and resizes_by_matrix(network, height=side, width=side)  # 0: of files, which come resized
    resize = Resize(network, height=side, width=side) if is_resized else None
    encoder = embed.Encoder(backbone, resize=resize, precision=precision)
    model = engines.build(encoder, engine=engine, device=device, batch_size=rows)
    size = (side, side) if is_resized else network.image_size
    count = max(rows, engines.IMAGES_AT_ONCE.get(engine, 0))  # in one call
    images = torch.randint(0, 256, (count, 3, *size), dtype=torch.uint8)
    with torch.no_grad(), memory_kept():
        first = _shortest(lambda: model(images.to(device)), device, count=1)
        beginning = time.perf_counter() - begun
        step = _shortest(lambda: model(images.to(device)), device)
    return Rate(seconds=min(step, first) / count, begin=beginning)


def decoding(images: ImageSet, *, size: int) -> Rate:
    """Seconds of a file of the training split, opened and resized for a network of `size` pixels."""
    files = images.splits["train"].images
    preprocessing = Preprocessing((size, size), "bicubic", *HALVES, 1.0, "center")
    every = max(len(files) // DECODED, 1)
    rows = [(row, row + 1) for row in range(0, len(files), every)][:DECODED]
    begun = time.perf_counter()
    count = sum(len(batch) for batch in embed.source(files, preprocessing).batches(rows))
    return Rate(seconds=(time.perf_counter() - begun) / count)


def training(spec: NetworkSpec, *, classes: int, image_size: int, device: str, expected: float) -> dict[str, Rate]:
    """Seconds of an image of full size, "trained" by `spec` and "scored"; nothing where no step can be taken.

    `expected` is a rough guess of the images trained a second, by which batches are cut that would take too long.
    """
    recipe = spec.resolved_recipe()
    rows = max(min(recipe.batch_size, int(expected * STEP_SECONDS)), LEAST_ROWS)
    short = replace(recipe, epochs=3, batch_size=rows, accumulate=1, small_share=0.0, patience=None, tta="none")
    try:
        return _trained(spec, short, classes=classes, image_size=image_size, device=device)
    except (TransferBenchError, RuntimeError):  # what cannot be trained is said by the plan, or by the job itself
        return {}


def _trained(spec: NetworkSpec, recipe: Recipe, *, classes: int, image_size: int, device: str) -> dict[str, Rate]:
    begun = time.perf_counter()
    network = networks.build(spec.network, n_classes=classes, image_size=image_size, options=spec.architecture())
    if (stages := spec.trained_stages()) is not None:
        modes.freeze(network, trained_stages=stages)
    count = recipe.batch_size * STEPS
    noise = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (count, 3, image_size, image_size), dtype=torch.uint8, generator=noise)
    images = LabeledImages(levels, torch.arange(count) % classes)
    found = fit(network, images, None, recipe=recipe, config=TrainConfig(HALVES, device=device))
    epochs = [max(float(row["seconds"]), 1e-3) for row in found.history]
    step = min(epochs[1:]) / count
    taken = time.perf_counter() - begun - sum(epochs[1:])

    def score() -> object:
        return evaluate.logits(found.network, levels, normalization=HALVES)

    scored = _shortest(score, device) / count
    beginning = max(taken - len(epochs) * len(training_sample(count)) * scored, 0.0)  # each epoch scores a sample
    return {"trained": Rate(seconds=step, begin=beginning), "scored": Rate(seconds=scored)}


def _shortest(step: Callable[[], object], device: str, *, count: int = TRIALS) -> float:
    """Seconds of the shortest of several runs of `step`."""
    seconds: list[float] = []
    while len(seconds) < count and (len(seconds) < 2 or sum(seconds) < ENOUGH_SECONDS):
        watch = Stopwatch(device)
        step()
        seconds.append(watch.seconds())
    return min(seconds)
