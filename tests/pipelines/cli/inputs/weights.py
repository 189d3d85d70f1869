"""Weights files as people save, rename, break and download them."""

import argparse
import collections
import json
import pathlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.pipelines.cli.inputs.case import Case

DIGITS = ("--dataset", "digits", "--subset", "40", "--test-subset", "20")
EXTRACT = ("extract", "--backbone", "test_resnet", *DIGITS, "--image-size", "32", "--precision", "float32", "--weights")
RECIPE = ("--epochs", "1", "--batch-size", "20", "--image-size", "32")
TUNE = ("finetune", "--network", "test_resnet", *DIGITS, *RECIPE, "--weights")
FROZEN = ("finetune", "--network", "test_resnet", *DIGITS, "--image-size", "32", "--mode", "frozen", "--weights")
STEM = (*DIGITS, "--image-size", "32", "--weights", "w.pth", "--stem", "cifar", "--mode", "frozen")
LITE = ("extract", "--backbone", "tf_efficientnet_lite0.in1k", "--weights", "packaged", *DIGITS, "--image-size", "32")
State = dict[str, Tensor]


def state(name: str = "test_resnet") -> State:
    """The tensors of a network of timm's, drawn with a fixed seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return timm.create_model(name).state_dict()


def changed(tensors: State) -> State:
    return {name: one * 1.01 if one.is_floating_point() else one for name, one in tensors.items()}


def prefixed(tensors: State, prefix: str) -> State:
    return {f"{prefix}{name}": one for name, one in tensors.items()}


class Hostile:
    """A pickle that would run a command."""

    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('executed').touch()",))


def companions() -> dict[str, object]:
    """What training scripts save beside the tensors."""
    return {
        "args": argparse.Namespace(lr=0.1, output=pathlib.PosixPath("out")),
        "accuracy": np.float64(93.5),
        "curve": np.array([1.0, 2.0]),
        "dtype": np.dtype("float32"),
        "counts": collections.defaultdict(list, {"a": [1]}),
        "order": collections.OrderedDict(a=1),
        "size": torch.Size([1]),
        "when": {np.int64(3): pathlib.PurePosixPath("x")},
    }


def saved(make: Callable[[], object], name: str = "w.pth", **options: object) -> Callable[[Path], object]:
    return lambda folder: torch.save(make(), folder / name, **options)  # type: ignore[arg-type]


def written(content: bytes, name: str = "w.pth") -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(content)


def half(folder: Path) -> None:
    torch.save(state(), folder / "w.pth")
    content = (folder / "w.pth").read_bytes()
    (folder / "w.pth").write_bytes(content[: len(content) // 2])


def averaged() -> dict[str, State]:
    return {"state_dict": state(), "state_dict_ema": changed(state())}


def each(change: Callable[[Tensor], Tensor]) -> Callable[[], State]:
    """The tensors after a change of every one with fractions."""
    return lambda: {name: change(one) if one.is_floating_point() else one for name, one in state().items()}


def with_nan(tensor: Tensor) -> Tensor:
    return torch.full_like(tensor, float("nan"))


def within_itself() -> dict[str, object]:
    found: dict[str, object] = {"epoch": 1}
    found["model"] = found
    return found


def safetensors(end: object) -> bytes:
    """A safetensors file of one number whose offsets say `end`."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, end]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


def vit(size: int) -> Callable[[], State]:
    return lambda: timm.create_model("test_vit", img_size=size).state_dict()


TAKEN: list[tuple[str, Callable[[Path], object], str]] = [
    ("timm's own training checkpoint", saved(lambda: {"state_dict": state(), **companions()}), ""),
    ("safetensors under another name", lambda folder: save_file(state(), folder / "w.pth"), ""),
    ("a legacy torch file", saved(state, _use_new_zipfile_serialization=False), ""),
    ("averaged weights beside raw ones", saved(averaged), "state_dict_ema is taken"),
    ("averaged weights alone", saved(lambda: {"state_dict_ema": state()}), "state_dict_ema is taken"),
    ("net of pytorch-cifar", saved(lambda: {"net": prefixed(state(), "module."), "acc": 93.1}), "module."),
    ("model_state", saved(lambda: {"model_state": state()}), ""),
    ("a common prefix", saved(lambda: prefixed(state(), "backbone.")), "backbone. is left out"),
    (
        "a prefix and a head beside it",
        saved(lambda: {"state_dict": {**prefixed(state(), "model."), "loss.weight": torch.ones(2)}}),
        "1 tensors without it are left out",
    ),
    (
        "no counts of batches",
        saved(lambda: {name: one for name, one in state().items() if "num_batches" not in name}),
        "is assumed",
    ),
]
REFUSED: list[tuple[str, Callable[[Path], object], str]] = [
    ("an empty file", written(b""), "an empty file"),
    ("a text", written(b"hello\n"), "a text"),
    ("a Git LFS pointer", written(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), "git lfs pull"),
    ("a web page", written(b"\n<!DOCTYPE html><html></html>"), "a web page"),
    ("JSON", written(b'{"a": 1}'), "JSON text"),
    ("gzip", written(b"\x1f\x8b\x08\0\0"), "a gzip archive"),
    ("Keras", written(b"\x89HDF\r\n\x1a\n" + bytes(99)), "an HDF5 file"),
    ("ONNX", written(b"\x08\x07\x12\x07pytorch\xff" + bytes(99)), "an ONNX file"),
    ("zeros", written(bytes(999)), "bytes of no known kind"),
    ("half a file", half, "cut short"),
    ("a whole network", saved(lambda: timm.create_model("test_resnet")), "timm.models.resnet.ResNet"),
    ("a hostile pickle", saved(lambda: {"state_dict": state(), "more": Hostile()}), "calls for eval"),
    ("a plain pickle", written(b"\x80\x04]\x94."), "a Python pickle"),
    ("a list", saved(lambda: [state()]), "holds a list"),
    ("no tensors", saved(lambda: {"epoch": 3}), "holds none"),
    ("two sets", saved(lambda: {"generator": state(), "critic": state()}), "w.pth#generator"),
    ("two prefixes", saved(lambda: prefixed(state(), "query.") | prefixed(state(), "key.")), "both fit"),
    ("one name twice", saved(lambda: prefixed(state(), "module.") | state()), "one tensor of each name"),
    (
        "another shape",
        saved(lambda: {**state(), "conv1.0.weight": torch.ones(16, 1, 3, 3)}),
        "conv1.0.weight is [16, 1, 3, 3] for [16, 3, 3, 3]",
    ),
    ("another network", saved(lambda: state("test_efficientnet")), "conv_stem.weight"),
    ("complex", saved(each(lambda one: one.to(torch.complex64))), "conv1.0.weight is complex64"),
    ("whole numbers", saved(each(lambda one: one.int())), "conv1.0.weight is int32"),
    ("sparse", saved(each(Tensor.to_sparse)), "conv1.0.weight is sparse float32"),
    ("without values", saved(each(lambda one: one.to("meta"))), "conv1.0.weight is without values"),
    ("NaN", saved(each(with_nan)), "holds NaN or infinity"),
    ("within itself", saved(within_itself), "holds none"),
    ("offsets that are text", written(safetensors("x")), "cut short or damaged"),
    ("offsets that are null", written(safetensors(None)), "cut short or damaged"),
    ("an index of parts", written(b'{"metadata": {"total_size": 1}, "weight_map": {}}'), "in several files"),
    ("a folder", lambda folder: (folder / "w.pth").mkdir(), "got the folder"),
]
FED = ("--mean", "0.5", "--std", "0.25,0.25,0.25", "--crop-pct", "1", "--interpolation", "bicubic")
CASES = [
    *(Case(f"weights: {name}", ((*EXTRACT, "w.pth"), (*TUNE, "w.pth")), make, says=says) for name, make, says in TAKEN),
    *(
        Case(f"weights: {name}", ((*EXTRACT, "w.pth", "--json"), (*TUNE, "w.pth")), make, statuses=(2,), says=says)
        for name, make, says in REFUSED
    ),
    Case(
        "weights: a set that is chosen", ((*EXTRACT, "w.pth#state_dict"), (*TUNE, "w.pth#state_dict")), saved(averaged)
    ),
    Case(
        "weights: a set that is not there",
        ((*EXTRACT, "w.pth#net"),),
        saved(averaged),
        statuses=(2,),
        says="state_dict_ema",
    ),
    Case("weights: fed by options", ((*EXTRACT, "w.pth", *FED), (*FROZEN, "w.pth", *FED)), saved(state)),
    *(
        Case(f"weights: {' '.join(words)}", ((*EXTRACT, "untrained", *words),), statuses=(2,), says=says)
        for words, says in (
            (("--mean", "1,2"), "mean must be three numbers"),
            (("--std", "0,0,0"), "std must be three numbers from 1e-06 to 10"),
            (("--crop-pct", "7"), "crop-pct must be a fraction"),
            (("--interpolation", "cubic"), "interpolation must be one of"),
        )
    ),
    Case(
        "weights: a ViT of another image size",
        (("extract", "--backbone", "test_vit", *DIGITS, "--image-size", "64", "--weights", "w.pth"),),
        saved(vit(96)),
    ),
    Case(
        "weights: a deprecated name",
        (("extract", "--backbone", "tf_efficientnet_b0_ap", "--weights", "untrained", *DIGITS, "--image-size", "32"),),
        says="tf_efficientnet_b0.ap_in1k",
    ),
    Case("weights: packaged under timm's tag", (LITE,)),
    Case(
        "weights: a stem of one's own that nothing trains",
        (("finetune", "--network", "resnet18", *STEM),),
        saved(lambda: state("resnet18")),
        statuses=(2,),
        says="stem must be that of the weights",
    ),
]
