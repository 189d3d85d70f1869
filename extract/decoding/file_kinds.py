"""Kind of a file by its first bytes, whatever its name."""

import zipfile
from pathlib import Path

SAFETENSORS, TORCH, NOT_KNOWN = "safetensors", "torch", "bytes of no known kind"
WEB_PAGE, LFS_POINTER = "a web page", "a Git LFS pointer, not the file that it stands for"
FIRST_BYTES = 512
TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the magic number of torch.save before the zip format
HTML = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<!--")

# First bytes of what is not weights: what it is, and what to do. The first match counts.
OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", LFS_POINTER, "Run git lfs pull"),
    (b"\x1f\x8b", "a gzip archive", "Unpack it"),
    (b"BZh", "a bzip2 archive", "Unpack it"),
    (b"\xfd7zXZ", "an xz archive", "Unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "Unpack it"),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it"),
    (b"Rar!", "a rar archive", "Unpack it"),
    (b"\x89HDF", "an HDF5 file (of Keras, or of features)", "Give the weights of a torch network"),
    (b"GGUF", "a GGUF file", "Give the weights of a torch network"),
    (b"\x93NUMPY", "a NumPy array", "Give the weights of a torch network"),
    (b"\x89PNG", "an image", "Give the weights"),
    (b"\xff\xd8\xff", "an image", "Give the weights"),
    (b"%PDF", "a PDF", "Give the weights"),
)
EXPORT = "Save the tensors of the network that it came from: torch.save(network.state_dict(), FILE)"
AGAIN = "Download or copy it again"


def kind(path: Path) -> tuple[str, str]:
    """(what the file is, what to do about it): `SAFETENSORS` and `TORCH` need nothing to be done."""
    with path.open("rb") as file:
        start = file.read(FIRST_BYTES)
    if not start:
        return "an empty file", AGAIN
    if start[8:9] == b"{" and not _is_text(start[:8]):
        return _safetensors(path)
    if start.startswith(b"PK"):
        return _zip(path)
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        return (TORCH, "") if TORCH_LEGACY in start[:32] else ("a Python pickle, which could run anything", EXPORT)
    if start.lstrip().lower().startswith(HTML):
        return WEB_PAGE, "Download the file that the page shows, by its own link"
    for first, what, remedy in OTHERS:
        if start.startswith(first):
            return what, remedy
    return _by_content(start)


def _by_content(start: bytes) -> tuple[str, str]:
    if start[257:262] == b"ustar":
        return "a tar archive", "Unpack it"
    if start[4:8] == b"TFL3":
        return "a TensorFlow Lite file", EXPORT
    if start[:1] == b"\x08" and start[1:2] < b"\x20" and start[2:3] in b"\x12\x1a\x22\x3a\x42":
        return "an ONNX file", EXPORT
    if not _is_text(start):
        return NOT_KNOWN, f"{AGAIN}, or save it with torch.save(network.state_dict(), FILE)"
    if b'"weight_map"' in start or b'"total_size"' in start:
        return "the index of weights in several files", "Save the tensors of all of them in one"
    if start.lstrip()[:1] in (b"{", b"["):
        return "JSON text", "Give the file of the tensors themselves"
    return "a text", "Give the file of the tensors themselves"


def _safetensors(path: Path) -> tuple[str, str]:
    """A file that begins as safetensors do; whether it is one is for the library to say."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return SAFETENSORS, ""
    except SafetensorError:
        return "a safetensors file that is cut short or damaged", AGAIN


def _zip(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return "a torch file or zip archive that is cut short or damaged", AGAIN
    inner = {name.partition("/")[2] or name for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return "a TorchScript archive", EXPORT
    if "data.pkl" in inner:
        return TORCH, ""
    if "model.weights.h5" in inner:
        return "a Keras file", "Give the weights of a torch network"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive", "Give the weights of a torch network"
    return "a zip archive", "Unpack it"


def _is_text(start: bytes) -> bool:
    """Whether the bytes are printable UTF-8; the last character may be cut."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:
            return False
        text = start[: error.start].decode()
    return all(one.isprintable() or one in "\t\r\n\f\ufeff" for one in text)
