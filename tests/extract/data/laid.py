"""Folders of files that tests lay, and what the listing makes of them."""

from pathlib import Path

from extract.data.listing import listed

PLAIN = ["blue/0.png", "blue/1.png", "red/0.png", "red/1.png"]


def lay(root: Path, *names: str) -> Path:
    """Files of the given names below `root`, each with content of its own."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def ids(root: Path) -> list[str]:
    """The images of the data set under `root`, in order."""
    return listed(root).ids()


def said(root: Path) -> str:
    """All notices on the data set under `root`."""
    return "\n".join(listed(root).notices)
