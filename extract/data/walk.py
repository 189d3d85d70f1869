"""The one walk through folders of images: every image below them, and what was passed over, by kind.

Links are followed once, by the real folder they lead to; a folder that lies there itself comes before a link to it.
"""

import heapq
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
Stamp = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns and inode: what changes when a file does
Entry = tuple[os.DirEntry[str], os.stat_result]
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


@dataclass(frozen=True)
class Image:
    """An image file by its name: `parts` is its path below the root of the walk, as it is written there."""

    path: Path
    parts: tuple[str, ...]
    stamp: Stamp

    @property
    def is_empty(self) -> bool:
        """Whether the file holds no byte at all."""
        return self.stamp[0] == 0


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

    folders: list[Path]
    images: list[Image]


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
        entries = self._entries(folder)
        folders = [Path(entry.path) for entry, facts in entries if stat.S_ISDIR(facts.st_mode)]
        return Inside(folders, list(self._images(entries)))

    def below(self, folders: Sequence[Path]) -> dict[Path, list[Image]]:
        """The images below each of `folders`, in the order of their names; a folder without any is left out."""
        found: dict[Path, list[Image]] = {}
        for folder in sorted(folders, key=lambda one: (one.is_symlink(), ordered(one.name))):
            if self._is_new(folder):
                found[folder] = []
        links: Links = []
        for folder in found:
            self._fill(found, folder, of=folder, links=links)
        while links:
            _, of, link = heapq.heappop(links)
            if self._is_new(link):
                self._fill(found, link, of=of, links=links)
        for folder, images in found.items():
            images.sort(key=lambda image: ordered(*image.parts))
            if not images:
                self.passed.add(EMPTY, self._name(folder))
        return {folder: found[folder] for folder in folders if found.get(folder)}

    def any_below(self, folders: Sequence[Path]) -> bool:
        """Whether there is an image below one of `folders`; stops at the first."""
        waiting = [folder for folder in folders if self._is_new(folder)]
        while waiting:
            entries = self._entries(waiting.pop())
            if next(self._images(entries), None) is not None:
                return True
            inside = [Path(entry.path) for entry, facts in entries if stat.S_ISDIR(facts.st_mode)]
            waiting += [folder for folder in inside if self._is_new(folder)]
        return False

    def _fill(self, found: dict[Path, list[Image]], start: Path, *, of: Path, links: Links) -> None:
        """Adds to `found[of]` what lies below `start`; links to folders are put off until all folders are read."""
        waiting = [start]
        while waiting:
            entries = self._entries(waiting.pop())
            found[of] += self._images(entries)
            for entry, facts in entries:
                path = Path(entry.path)
                if not stat.S_ISDIR(facts.st_mode):
                    continue
                if entry.is_symlink():
                    heapq.heappush(links, (ordered(*path.parts), of, path))
                elif self._is_new(path):
                    waiting.append(path)

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

    def _images(self, entries: list[Entry]) -> Iterator[Image]:
        for entry, facts in entries:
            path = Path(entry.path)
            if stat.S_ISDIR(facts.st_mode):
                continue
            if not stat.S_ISREG(facts.st_mode):
                self.passed.add(ODD, self._name(path))
            elif path.suffix.lower() not in SUFFIXES:
                self.passed.add(OTHER, self._name(path))
            else:
                yield Image(path, path.relative_to(self._root).parts, stamp(facts))

    def _entries(self, folder: Path) -> list[Entry]:
        """The entries of a folder by name, with their facts (a link's are those of its aim); the rest is noted."""
        try:
            with os.scandir(folder) as opened:
                entries = sorted(opened, key=lambda entry: ordered(entry.name))
        except OSError:
            self.passed.add(CLOSED, self._name(folder))
            return []
        kept = []
        for entry in entries:
            kind, facts = self._judged(entry, at_root=folder == self._root)
            if kind:
                self.passed.add(kind, self._name(Path(entry.path)))
            elif facts is not None:
                kept.append((entry, facts))
        return kept

    def _judged(self, entry: os.DirEntry[str], *, at_root: bool) -> tuple[str, os.stat_result | None]:
        """(why an entry is passed over, or "", its facts)."""
        if entry.name == MARK:
            return "", None
        if entry.name.lower() in SYSTEM:
            return SYSTEMS, None
        if entry.name.startswith("."):
            return HIDDEN, None
        try:
            facts = entry.stat()
        except OSError:
            return (BROKEN if entry.is_symlink() else CLOSED), None
        own = at_root and self._owns_root and entry.name in WORKSPACE_FOLDERS
        if stat.S_ISDIR(facts.st_mode) and (own or os.path.exists(os.path.join(entry.path, MARK))):
            return WORKSPACES, None
        return "", facts

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def stamp(facts: os.stat_result) -> Stamp:
    """Stamp of a file, which changes when the file does."""
    return facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


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


def counted(count: int, noun: str) -> str:
    """A number of things: 1 image, 2 images, 3 classes."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count} {noun if count == 1 else plural}"
