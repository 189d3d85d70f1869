"""The model hub as timm uses it: is a file in the local cache, and can the hub be reached at all?"""

import socket
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

FILE_NAMES = ("model.safetensors", "pytorch_model.bin")  # in timm's own order of preference


def cached_file(repository: str | None, file_name: str | None) -> Path | None:
    """The weights file of `repository` in the local hub cache, or None. Touches no network."""
    from huggingface_hub import try_to_load_from_cache

    if not repository:
        return None
    for name in (file_name,) if file_name else FILE_NAMES:
        found = try_to_load_from_cache(repository, name)
        if isinstance(found, str):
            return Path(found)
    return None


def reachable() -> bool:
    """Whether the hub's name resolves (or a proxy will do that), and offline mode is not set."""
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
