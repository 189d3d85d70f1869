"""Images a second from CIFAR-10 to embeddings at 224 pixels, all sides in turn in one run.

(a) what a user would write today: torchvision's CIFAR-10, timm's transform, a DataLoader with as many workers
    as cores, eager float32;
(b) OpenVINO where it is installed, timm's network alone on images that are prepared, at its best setting: throughput
    hint, several requests in flight, the faster of one and eight images a request, and in the faster precision whose
    lowest cosine to float32 is above 0.999 (float32 where bfloat16 is not);
    On a GPU: timm's network alone, compiled, on images that lie on the device (`TimmCompiled`);
ours: from raw images to the finished feature file, by the engine that `auto` takes in a whole run, and by those that
    --engines names. The time to get ready is reported apart.

    python -m benchmarks.extraction --data-dir DIR [--backbones resnet50,...] [--seconds 12] [--rounds 3]

Each side has a process of its own, as a user's would be: what one leaves in memory slows the next by some per cent.
Rates of a round are taken one after another; the ratios are medians over rounds of ratios within a round. Cosines are
those of 16 test images, the hardest four of 3,000 for tf_efficientnet_lite0 among them, which has its real weights.
A network's operations stand beside the rate of a large matrix product in the same precision: no engine is far above it.
"""

import argparse
import contextlib
import functools
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from torch import Tensor

from benchmarks.extraction_sides import OpenVino, Ours, Plain, TimmCompiled, embeddings, load
from benchmarks.hardware import earlier_today, matrix_product_rate, write
from extract.runtime import openvino_model
from extract.runtime.devices import resolve_device

BACKBONES = (
    *("resnet50", "densenet121", "vgg16_bn", "resnetv2_50", "tf_efficientnet_lite0", "resnet18"),
    *("mobilenetv3_large_100", "convnext_tiny", "swin_tiny_patch4_window7_224", "vit_small_patch16_224"),
)
LIBRARIES = ("torch", "torchvision", "timm", "numpy", "pillow", "h5py")


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
    exact = embeddings(name, given.data_dir, precision="float32", engine="eager", device=device)
    ours = {"ours": "auto", **{f"ours {engine}": engine for engine in filter(None, given.engines.split(","))}}
    sides: dict[str, Any] = {"plain": functools.partial(Plain, name, given.data_dir, device=device)}
    if openvino_model.is_installed() and device == "cpu":
        sides["openvino"] = functools.partial(OpenVino, name, given.data_dir, exact=exact)
    if device != "cpu":
        sides["timm compiled"] = functools.partial(TimmCompiled, name, device=device)
    for side, engine in ours.items():
        sides[side] = functools.partial(Ours, name, given.data_dir, engine, device=device)
    with contextlib.ExitStack() as stack:
        process = functools.partial(ProcessPoolExecutor, 1, mp_context=get_context("spawn"), initializer=_begin)
        processes = {side: stack.enter_context(process(initargs=(make,))) for side, make in sides.items()}
        for one in processes.values():  # each gets ready alone
            one.submit(int).result()
        measured = [
            {side: one.submit(_rate, given.seconds).result() for side, one in processes.items()}
            for _ in range(given.rounds)
        ]
        facts = {side: one.submit(_facts, exact).result() for side, one in processes.items()}
    return {
        "images_per_second": {side: statistics.median(one[side] for one in measured) for side in sides},
        "ratios": {
            f"{key}/{side}": statistics.median(one[key] / one[side] for one in measured)
            for key in ours
            for side in sides
            if side != key
        },
        "cosine": {
            " ".join(filter(None, (side, kind))): value
            for side, one in facts.items()
            for kind, value in one.get("cosine", {}).items()
        },
        "setting": {side: one["setting"] for side, one in facts.items() if "setting" in one},
        "ready_seconds": {side: facts[side]["ready_seconds"] for side in ours},
        "peak_memory_beyond_model_and_data_bytes": facts["ours"]["peak_bytes"],
        "precision": facts["ours"]["precision"],
        "flops_per_image": load(name).flops,
        "matrix_product_flops_per_second": matrix_product_rate(device, facts["ours"]["precision"]),
        "rounds": measured,
    }


_side: Any = None  # the one of this process


def _begin(make: Any) -> None:
    global _side
    _side = make()


def _rate(seconds: float) -> float:
    return _side.rate(seconds)


def _facts(exact: Tensor) -> dict[str, Any]:
    return _side.facts(exact)


if __name__ == "__main__":
    main()
