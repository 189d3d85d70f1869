"""Images a second from photographs of 12 megapixels to the finished feature file, against a plain loop; and fidelity.

plain: what a user would write today: Pillow, timm's transform, a DataLoader with as many workers as cores, eager
float32. ours: from the files to the finished feature file. Both leave out their first batch. The photographs are
made here (`photographs`), a few of each kind, and stand many times in the folder by hard links: contents repeat, but
every one is decoded. Fidelity is the lowest cosine between features of photographs that were decoded at a reduced
scale and of the same decoded whole, float32, packaged weights, and how far the levels of the network's input differ.

    python -m benchmarks.photos [--backbones resnet18,...] [--photos 96] [--rounds 2] [--fidelity]

Rates of a round are taken one after another; the ratios are medians over rounds of ratios within a round.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images
from torch import Tensor
from torch.nn.functional import cosine_similarity

from benchmarks.hardware import earlier_today, write
from extract.backbones import cropping, frozen
from extract.data import folder
from extract.decoding.decode import decode
from extract.features import embed, extraction
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_device, resolve_precision
from extract.runtime.machine import core_count

BACKBONES = ("resnet18", "resnet50", "tf_efficientnet_lite0")
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "h5py")
WIDTH, HEIGHT = 4032, 3024
ENLARGED, MANY, TEXT, GRATINGS = "enlarged photograph", "many small photographs", "text and edges", "gratings"
CHART = "test chart"  # a zone plate over the whole picture: every frequency at full contrast, as in no photograph
KINDS = (ENLARGED, MANY, TEXT, GRATINGS, CHART)
SAVED: tuple[dict[str, Any], ...] = (
    {"quality": 75},
    {"quality": 85, "subsampling": 0},
    {"quality": 90},
    {"quality": 95, "progressive": True},
)
PER_BATCH = 32


def main() -> None:
    """Parses the command line, measures speed or fidelity, writes the result file with both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", default=",".join(BACKBONES))
    parser.add_argument("--photos", type=int, default=96, help="more than a batch of the plain loop, which is 32")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--fidelity", action="store_true", help="measure fidelity, not speed")
    given = parser.parse_args()
    device = resolve_device("auto")
    results, fidelity = earlier_today("photos", "results"), earlier_today("photos", "fidelity")
    with tempfile.TemporaryDirectory() as place:
        kinds, saved = (KINDS, SAVED) if given.fidelity else (KINDS[:3], SAVED[:3])  # as cameras make them
        made = list(photographs(Path(place) / "made", kinds=kinds, saved=saved))
        root = laid([path for _, path in made], Path(place) / "laid", count=given.photos)
        mean_bytes = statistics.mean(path.stat().st_size for _, path in made)
        for name in ("fidelity",) if given.fidelity else given.backbones.split(","):
            if given.fidelity:
                fidelity = differences(made)
            else:
                results[name] = measure(name, root, device=device, rounds=given.rounds)
                results[name] |= {"photographs": given.photos, "mean_bytes": mean_bytes}
            measured = {"device": device, "results": results, "fidelity": fidelity}
            print(measured, write("photos", measured, libraries=LIBRARIES), flush=True)


def photographs(place: Path, *, kinds: Sequence[str], saved: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Path]]:
    """(kind, path) of synthetic photographs of 12 megapixels: each kind in each way of saving."""
    place.mkdir()
    for number, (kind, how) in enumerate((kind, how) for kind in kinds for how in saved):
        path = place / f"{number}.jpg"
        _picture(kind, np.random.default_rng(number)).save(path, "JPEG", **how)
        yield kind, path


def _picture(kind: str, rng: np.random.Generator) -> Image.Image:
    sources = [Image.fromarray(one) for one in load_sample_images().images]
    source = sources[rng.integers(len(sources))]
    if kind in (MANY, GRATINGS):
        levels = np.tile(np.asarray(source), (8, 7, 1))[:HEIGHT, :WIDTH].astype(np.float32)
    else:
        left, top = rng.integers(0, 200, 2)
        cut = source.crop((left, top, left + 400, top + 300))
        levels = np.asarray(cut.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)).astype(np.float32)
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    if kind == CHART:
        from_middle = (columns - WIDTH / 2) ** 2 + (rows - HEIGHT / 2) ** 2
        levels += 60 * np.sin(from_middle * (np.pi / 4000))[..., None]
    elif kind == GRATINGS:
        levels += 40 * np.sign(np.sin(columns * (2 * np.pi / rng.uniform(3, 60)) + rows * 0.3))[..., None]
    else:  # noise of a sensor
        levels += rng.normal(0, rng.uniform(3, 12), (HEIGHT, WIDTH, 1)).astype(np.float32)
    picture = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    if kind == TEXT:
        draw = ImageDraw.Draw(picture)
        for _ in range(300):
            color, place = tuple(rng.integers(0, 256, 3).tolist()), rng.integers(0, (WIDTH, HEIGHT)).tolist()
            draw.text(place, "The quick brown fox", fill=color, font_size=int(rng.integers(16, 120)))
            end = rng.integers(0, (WIDTH, HEIGHT)).tolist()
            draw.line([*place, *end], fill=color, width=int(rng.integers(1, 9)))
    return picture


def laid(paths: list[Path], root: Path, *, count: int) -> Path:
    """A folder of two classes with `count` training and 8 test images: hard links to `paths`, in turn."""
    for number in range(count + 8):
        split = "train" if number < count else "test"
        place = root / split / f"class{number % 2}" / f"{number:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(paths[number % len(paths)], place)
    return root


def measure(name: str, root: Path, *, device: str, rounds: int) -> dict[str, Any]:
    """Rates of both sides for one backbone at its own size and preprocessing."""
    sides = {"plain": plain, "ours": ours}
    measured = [{side: run(name, root, device=device) for side, run in sides.items()} for _ in range(rounds)]
    return {
        "images_per_second": {side: statistics.median(one[side].rate for one in measured) for side in sides},
        "ours/plain": statistics.median(one["ours"].rate / one["plain"].rate for one in measured),
        "core_seconds_per_photo": {side: min(one[side].core_seconds for one in measured) for side in sides},
        "precision": resolve_precision("auto", device),
        "rounds": [{side: value._asdict() for side, value in one.items()} for one in measured],
    }


class Side(NamedTuple):
    """Images a second, and seconds of a core that each took, which other programs on the machine hardly change."""

    rate: float
    core_seconds: float


def _core_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def plain(name: str, root: Path, *, device: str) -> Side:
    """The ordinary script; its rate leaves out its first batch and the start of its workers."""
    import timm
    import torchvision

    network = timm.create_model(name, pretrained=False, num_classes=0).eval().to(device)
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(network), is_training=False)
    dataset = torchvision.datasets.ImageFolder(str(root / "train"), transform=transform)
    loader = torch.utils.data.DataLoader(dataset, batch_size=PER_BATCH, num_workers=core_count())
    done, watch, begun = 0, None, _core_seconds()
    with torch.no_grad():
        for batch, _ in loader:
            network(batch.to(device)).cpu().numpy()
            if watch is None:
                watch = Stopwatch(device)
            else:
                done += len(batch)
    assert watch is not None
    return Side(done / watch.seconds(), (_core_seconds() - begun) / len(dataset))


def ours(name: str, root: Path, *, device: str) -> Side:
    """From the files to the finished file, by the same calls that `pipeline extract` makes, when it is ready."""
    images, ready = folder.read(root).images, list[float]()
    backbone = frozen.load(name, weights="untrained")
    batch_size = automatic_batch_size(device, backbone.preprocessing.image_size[0])
    config = extraction.Computation(device, resolve_precision("auto", device), "plain", "float16", batch_size)
    layout, _ = extraction.plan(images, backbone, spec={"benchmark": name}, config=config)
    with tempfile.TemporaryDirectory() as place:
        timing = extraction.extract(
            images,
            backbone,
            layout=layout,
            config=config,
            path=Path(place) / "features.h5",
            progress=lambda done, total: ready.append(_core_seconds()),
            notice=print,
            estimated=lambda _: None,
        )
    return Side(timing.images_per_second, (_core_seconds() - ready[0]) / timing.images_computed)


def differences(made: list[tuple[str, Path]]) -> dict[str, Any]:
    """By kind of photograph: the lowest cosine, and the mean and largest difference of levels, at three sizes."""
    whole = frozen.load("tf_efficientnet_lite0", weights="packaged")
    encoder = embed.Encoder(whole, resize=None, precision="float32").eval()
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for kind, path in made:
        image = decode(path)
        for side in (whole.preprocessing.image_size[0], 192, 288):
            one = replace(whole.preprocessing, image_size=(side, side))
            transform = cropping.transform(one)
            pair = [transform(image), transform(decode(path, target=cropping.target(one)))]
            found.setdefault(str(side), {}).setdefault(kind, []).append((_cosine(encoder, *pair), *_levels(*pair)))
    return {side: {kind: _worst(rows) for kind, rows in kinds.items()} for side, kinds in found.items()}


def _worst(rows: list[tuple[float, float, float]]) -> dict[str, float]:
    cosines, means, most = zip(*rows, strict=True)
    return {
        "photographs": len(rows),
        "lowest_cosine": min(cosines),
        "mean_levels": max(means),
        "most_levels": max(most),
    }


@torch.no_grad()
def _cosine(encoder: embed.Encoder, one: Tensor, other: Tensor) -> float:
    features = encoder(torch.stack([one, other]))[0]
    return float(cosine_similarity(features[0], features[1], dim=0))


def _levels(one: Tensor, other: Tensor) -> tuple[float, float]:
    difference = (one.float() - other.float()).abs()
    return float(difference.mean()), float(difference.max())


if __name__ == "__main__":
    main()
