"""Seconds of one step of Muon for a whole network, torch's optimizer and ours in turn in one run, and how true each is.

    python -m benchmarks.muon [--networks resnet18,...] [--rounds 5]

torch: torch.optim.Muon on the same matrices, whose iteration runs in bfloat16 on every machine; ours: the optimizer of
`optimizer="muon"`, in the precision in which this machine trains. Both move the same weights by the same gradients;
AdamW moves the rest on both sides. The error is the largest of all matrices against the same iteration in float64,
relative, in the Frobenius norm. Medians over rounds; the ratio is that of the medians.
"""

import argparse
import statistics

import torch
from torch import Tensor

from benchmarks.hardware import write
from extract.runtime.devices import Stopwatch, resolve_device, resolve_precision
from finetune.architectures import networks
from finetune.recipes import recipe
from finetune.training.optimizers import COEFFICIENTS, optimizer, orthogonal

NETWORKS = ("resnet18", "preact18", "densenet121", "vgg16", "resnet20")


def main() -> None:
    """Parses the command line, measures every network, writes the result file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    device = resolve_device("auto")
    precision = resolve_precision("auto", device)
    results = {}
    for name in given.networks.split(","):
        results[name] = one = measured(name, device=device, precision=precision, rounds=given.rounds)
        print(f"{name}: ours {one['ours']['seconds']:.3f} s, torch {one['torch']['seconds']:.3f} s", flush=True)
    print(write("muon", {"device": device, "precision": precision, "results": results}, libraries=("torch",)))


def measured(name: str, *, device: str, precision: str, rounds: int) -> dict[str, dict[str, float] | float]:
    """Seconds and errors of both sides for the network `name`."""
    network = networks.build(name, n_classes=10, image_size=32).to(device, memory_format=torch.channels_last)
    chance = torch.Generator().manual_seed(0)
    for weight in network.parameters():
        weight.grad = torch.randn(weight.shape, generator=chance).to(device)
    ours = optimizer(network, recipe("cpu"), precision=precision)
    inner, rest = ours.param_groups[:1], ours.param_groups[1:]
    matrices = [weight.grad.flatten(1) for group in inner for weight in group["params"]]
    flat = [torch.nn.Parameter(weight.detach().flatten(1).clone()) for group in inner for weight in group["params"]]
    for weight, gradient in zip(flat, matrices, strict=True):
        weight.grad = gradient.clone()
    adamw = torch.optim.AdamW([weight for group in rest for weight in group["params"]])
    theirs = torch.optim.Muon(flat, adjust_lr_fn="match_rms_adamw")
    sides = {"ours": [ours], "torch": [theirs, adamw]}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds + 1):
        for side, parts in sides.items():
            watch = Stopwatch(device)
            for part in parts:
                part.step()
            seconds[side].append(watch.seconds())
    medians = {side: statistics.median(values[1:]) for side, values in seconds.items()}
    errors = {"ours": worst_error(matrices, precision), "torch": worst_error(matrices, "bfloat16")}
    return {
        **{side: {"seconds": medians[side], "worst_error": errors[side]} for side in sides},
        "torch/ours": medians["torch"] / medians["ours"],
    }


def worst_error(matrices: list[Tensor], precision: str) -> float:
    """The largest relative error of an orthogonalized matrix; in bfloat16 ours is torch's to the bit."""
    return max(
        float((orthogonal(one, precision) - truth).norm() / truth.norm()) for one in matrices for truth in [exact(one)]
    )


def exact(matrix: Tensor) -> Tensor:
    """The iteration in float64, on the matrix itself."""
    a, b, c = COEFFICIENTS
    value = matrix.double() / matrix.double().norm()
    for _ in range(5):
        gram = value @ value.T
        value = a * value + (b * gram + c * gram @ gram) @ value
    return value


if __name__ == "__main__":
    main()
