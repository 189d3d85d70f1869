"""The one walk through folders of images: every image below them, and what was passed over, by kind.

Links are followed once, by the real folder they lead to; a folder that lies there itself comes before a link to it.
"""

import heapq
import os
import stat
import unicodedata
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

# of common formats that Pillow reads
_NAMES = (
    """jpg jpeg jpe jfif png apng webp avif gif bmp dib tif tiff jp2 j2k jpx tga ppm pgm pbm pnm qoi dds pcx sgi mpo"""
)
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
# What systems, network storage and archives leave in folders, in lower case.
SYSTEM = frozenset(
    (
        "__macosx",
        "@eadir",
        "@tmp",
        "@recycle",
        "@recently-snapshot",
        "@snapshot",
        "#recycle",
        "#snapshot",
        "lost+found",
        "$recycle.bin",
        "recycler",
        "system volume information",
        "network trash folder",
        "temporary items",
        "thumbs.db",
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "icon\r",
        "__pycache__",
    )
)
MARK = ".transfer-bench-workspace"  # a file of this name makes its folder a workspace, which holds no data
WORKSPACE_FOLDERS = frozenset(
    ("cache", "checkpoints", "contents", "data", "extractions", "features", "runs", "searches")
)
NAMES_SHOWN = 3
STAMP = ("size", "mtime_ns", "ctime_ns", "inode")
LARGEST = 2**63 - 1
Links = list[tuple[tuple[tuple[str, str], ...], Path, Path]]  # (order, the folder that it belongs to, the link)

HIDDEN, SYSTEMS, WORKSPACES = "hidden file or folder", "system file or folder", "workspace of this program"
CLOSED, BROKEN, AGAIN = "place that may not be read", "broken link", "folder that is read already"
ODD, OTHER, EMPTY, OUTSIDE = "pipe or device", "non-image file", "folder without images", "image outside class folders"
_PLURALS = {
    HIDDEN: "hidden files or folders",
    SYSTEMS: "system files or folders",
    WORKSPACES: "workspaces of this program",
    CLOSED: "places that may not be read",
    BROKEN: "broken links",
    AGAIN: "folders that are read already",
    ODD: "pipes or devices",
    OTHER: "non-image files",
    EMPTY: "folders without images",
    OUTSIDE: "images outside class folders",
}


@dataclass
class Images:
    """Image files below the root of a walk, in columns: a million of them take little more than their names.

    `names` are their paths below the root as they are written there, with / between the parts; `stamps` are four
    numbers for each (`STAMP`), which change when the file does.
    """

    names: list[str] = field(default_factory=list)
    stamps: "array[int]" = field(default_factory=lambda: array("q"))

    def __len__(self) -> int:
        return len(self.names)

    def add(self, name: str, facts: os.stat_result) -> None:
        """Adds one file."""
        self.names.append(name)
        inode = facts.st_ino & LARGEST  # some file systems have more digits
        self.stamps.extend((facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, inode))

    def extend(self, others: "Images") -> None:
        """Adds all of `others`."""
        self.names += others.names
        self.stamps += others.stamps

    def take(self, rows: Sequence[int]) -> "Images":
        """The images of these rows, in their order."""
        return Images([self.names[row] for row in rows], array("q", self.table()[list(rows)].tobytes()))

    def sort(self) -> None:
        """Sorts the images by the parts of their names, whatever Unicode form these are written in."""
        if all(map(str.isascii, self.names)):
            keys: list[Any] = [name.replace("/", "\0") for name in self.names]
        else:
            keys = [ordered(*name.split("/")) for name in self.names]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        if order != list(range(len(keys))):
            self.names = [self.names[row] for row in order]
            self.stamps = array("q", self.table()[order].tobytes())

    def table(self) -> np.ndarray:
        """The stamps as int64 [N, 4]."""
        return np.frombuffer(self.stamps, np.int64).reshape(-1, len(STAMP))


@dataclass
class Passed:
    """Entries that a walk skipped: names below its root, by kind."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, kind: str, name: str) -> None:
        """Notes one place; again is no harm."""
        self.names.setdefault(kind, set()).add(name)

    def sentence(self) -> str:
        """All of it in one sentence with a few names for each kind; "" where nothing was passed over."""
        parts = [self._part(kind, self.names[kind]) for kind in _PLURALS if self.names.get(kind)]
        return f"skipped {', '.join(parts)}" if parts else ""

    def _part(self, kind: str, names: set[str]) -> str:
        shown = a_few(sorted(names))
        if kind == OTHER:
            suffixes = Counter(os.path.splitext(name)[1].lower() or "no suffix" for name in names)
            shown = f"{', '.join(printable(suffix) for suffix, _ in suffixes.most_common(5))}: {shown}"
        return f"{len(names)} {kind if len(names) == 1 else _PLURALS[kind]} ({shown})"


@dataclass(frozen=True)
class Inside:
    """Entries directly in a folder: `folders` (links among them) and `images`, each in the order of their names."""

    folders: list[Path] = field(default_factory=list)
    images: Images = field(default_factory=Images)


class Walker:
    """Walks folders below `root`, each real folder once over all of its walks; `passed` is what was left out."""

    def __init__(self, root: Path) -> None:
        self._root = root
        # A link to one of these would lead round in a circle.
        self._read = {str(above) for above in Path(os.path.realpath(root)).parents}
        self._real: dict[Path, str] = {}
        self._owns_root = (root / MARK).exists()
        self.passed = Passed()

    def inside(self, folder: Path) -> Inside:
        """Entries directly in `folder`, which counts as read from now on."""
        self._read.add(self._real_of(folder))
        return self._entries(folder)

    def below(self, folders: Sequence[Path]) -> dict[Path, Images]:
        """The images below each of `folders`, in the order of their names; a folder without any is left out."""
        found: dict[Path, Images] = {}
        for folder in sorted(folders, key=lambda one: (one.is_symlink(), ordered(one.name))):
            if self._is_new(folder):
                found[folder] = Images()
        links: Links = []
        for folder in found:
            self._fill(found, folder, of=folder, links=links)
        while links:
            _, of, link = heapq.heappop(links)
            if self._is_new(link):
                self._fill(found, link, of=of, links=links)
        for folder, images in found.items():
            images.sort()
            if not images and folder != self._root:
                self.passed.add(EMPTY, self._name(folder))
        return {folder: found[folder] for folder in folders if found.get(folder)}

    def any_below(self, folders: Sequence[Path]) -> bool:
        """Whether there is an image below one of `folders`; stops at the first."""
        waiting = [folder for folder in folders if self._is_new(folder)]
        while waiting:
            inside = self._entries(waiting.pop())
            if inside.images:
                return True
            waiting += [folder for folder in inside.folders if self._is_new(folder)]
        return False

    def _fill(self, found: dict[Path, Images], start: Path, *, of: Path, links: Links) -> None:
        """Adds to `found[of]` what lies below `start`; links to folders are put off until all folders are read."""
        waiting = [start]
        while waiting:
            inside = self._entries(waiting.pop())
            found[of].extend(inside.images)
            for folder in inside.folders:
                if folder.is_symlink():
                    heapq.heappush(links, (ordered(*folder.parts), of, folder))
                elif self._is_new(folder):
                    waiting.append(folder)

    def _is_new(self, folder: Path) -> bool:
        real = self._real_of(folder)
        if real in self._read:
            self.passed.add(AGAIN, self._name(folder))
            return False
        self._read.add(real)
        return True

    def _real_of(self, folder: Path) -> str:
        """The real path of a folder; by that of the folder above where it is known, or deep trees take minutes."""
        above = self._real.get(folder.parent)
        if above is None or folder.is_symlink():
            self._real[folder] = os.path.realpath(folder)
        else:
            self._real[folder] = os.path.join(above, folder.name)
        return self._real[folder]

    def _entries(self, folder: Path) -> Inside:
        """The entries of a folder by name (a link counts as its aim does); the rest is noted."""
        try:
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: (composed(entry.name), entry.name))
        except OSError:
            self.passed.add(CLOSED, self._name(folder))
            return Inside()
        found, at_root = Inside(), folder == self._root
        above = "" if at_root else f"{self._name(folder)}/"
        for entry in entries:
            kind, facts = self._judged(entry, at_root=at_root)
            if kind:
                self.passed.add(kind, above + entry.name)
            elif facts is not None and stat.S_ISDIR(facts.st_mode):
                found.folders.append(Path(entry.path))
            elif facts is not None:
                found.images.add(above + entry.name, facts)
        return found

    def _judged(self, entry: os.DirEntry[str], *, at_root: bool) -> tuple[str, os.stat_result | None]:
        """(why an entry is passed over, or "", its facts)."""
        name = entry.name
        if name == MARK:
            return "", None
        if name.lower() in SYSTEM:
            return SYSTEMS, None
        if name.startswith("."):
            return HIDDEN, None
        try:
            facts = entry.stat()
        except OSError:
            return (BROKEN if entry.is_symlink() else CLOSED), None
        if stat.S_ISDIR(facts.st_mode):
            own = at_root and self._owns_root and name in WORKSPACE_FOLDERS
            return (WORKSPACES if own or os.path.exists(os.path.join(entry.path, MARK)) else ""), facts
        if not stat.S_ISREG(facts.st_mode):
            return ODD, None
        return ("" if name[name.rfind(".") :].lower() in SUFFIXES else OTHER), facts

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def composed(text: str) -> str:
    """`text` in Unicode's composed form (NFC): the same letters are the same text, whichever system wrote them."""
    return unicodedata.normalize("NFC", text)


def ordered(*names: str) -> tuple[tuple[str, str], ...]:
    """A key that sorts names by their letters, whatever form they are written in."""
    return tuple((composed(name), name) for name in names)


def printable(name: str | Path) -> str:
    """A file's name as text that UTF-8 can hold, in one line."""
    text = str(name).encode(errors="backslashreplace").decode()
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def a_few(names: Sequence[str]) -> str:
    """The first of `names`, to be shown."""
    return ", ".join(map(printable, names[:NAMES_SHOWN])) + (", ..." if len(names) > NAMES_SHOWN else "")
