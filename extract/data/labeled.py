"""A folder of images whose classes, splits and groups stand in a file of labels."""

import functools
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from extract.data import listing
from extract.data.labels import columns, table
from extract.data.labels.columns import LabelFile
from extract.data.labels.table import NOTHING, NUMBER, TEXT, TRUTH, WHOLE, LabelTable
from extract.data.listing import Listing, Members
from extract.data.walk import Images, Walker, a_few, composed, printable
from extract.errors import InvalidInputError
from extract.runtime.formats import plural

SPLITS = {"train": "train", "training": "train", "test": "test", "testing": "test"}
VALIDATION = ("val", "valid", "validation", "dev")
ABSENT = -1


def listed(root: Path, labels: LabelFile) -> Listing:
    """The images of the folder `root` that a file of labels names, by split and class. Opens no image.

    Raises `InvalidInputError` with the line of the first row that cannot be, and with how many more are like it.
    """
    walker = Walker(root)
    top = walker.inside(root)
    images = Images()
    for found in (top.images, *walker.below(top.folders).values()):
        images.extend(found)
    named, notices = labels.named(), []
    rows = _Rows.none()
    for path, folder, split in _files(root, Path(os.path.expanduser(labels.path))):
        one = table.read(path)
        chosen = columns.chosen(one, named)
        rows = rows.and_those(_RowReader(one, chosen, images, root, folder).rows(split))
        if not labels.name:  # a file of the user's, not one that was written for another kind of data set
            notices.append(f"{one.name}: {', '.join(f'{role} from {column!r}' for role, column in chosen.items())}")
    splits, said = _split(rows)
    members, class_names = _members(rows, splits, images, root)
    found = Listing(root, class_names, members, ())
    unused = sorted(set(range(len(images))) - set(rows.images))
    left = f"{plural(len(unused), 'image')} without a label left out ({a_few([images.names[row] for row in unused])})"
    notices += [*said, *([left] if unused else []), *_grouped(rows)]
    odd = (*listing.untested(found), *listing.alike(class_names))
    return Listing(root, class_names, members, (*listing.counts(found), *notices, *odd))


def _files(root: Path, given: Path) -> list[tuple[Path, str, str]]:
    """(file, the folder below `root` from which its paths count, its split or "") of each file of labels.

    A file of Hugging Face's layout, metadata.*, counts from its own folder, and each split folder may have one.
    """
    found = next((path for path in (given, root / given) if path.is_file()), None)
    if found is not None:
        own, whole = Path(os.path.realpath(found.parent)), Path(os.path.realpath(root))
        counts_from_own = found.stem == "metadata" and own.is_relative_to(whole)
        return [(found, own.relative_to(whole).as_posix() if counts_from_own else "", "")]
    below = [(root / name / given.name, name, name) for name in (*SPLITS, *VALIDATION)]
    below = [one for one in below if given.parent == Path() and one[0].is_file()]
    if not below:
        raise InvalidInputError(
            f"labels must be a file; got {str(given)!r}, which is neither here nor in {str(root)!r}. Check the path."
        )
    return below


@dataclass(frozen=True)
class _Rows:
    """Rows of all files of labels: the image, class, split ("" for none) and group (None for none) of each.

    `kind` is the kind of the labels; `places` says where the rows stand.
    """

    images: list[int]
    labels: list[str]
    splits: list[str]
    groups: list[str] | None
    kind: str
    places: list[tuple[LabelTable, int]]

    @classmethod
    def none(cls) -> "_Rows":
        """No rows yet."""
        return cls([], [], [], None, "", [])

    def and_those(self, more: "_Rows") -> "_Rows":
        """These rows and `more`, which must be of the same kind and name other images."""
        if self.kind and (self.kind, self.groups is None) != (more.kind, more.groups is None):
            raise InvalidInputError(
                f"files of labels must be alike; got {self.kind} labels in one and {more.kind} in another, or groups "
                "in one alone. Make their columns alike."
            )
        groups = None if more.groups is None else [*(self.groups or ()), *more.groups]
        images, places = self.images + more.images, self.places + more.places
        first: dict[int, int] = {}
        for row, image in enumerate(images):
            if first.setdefault(image, row) != row:
                (one, at), (other, other_at) = places[first[image]], places[row]
                where = one.place(at, other_at) if one is other else f"{one.place(at)} and {other.place(other_at)}"
                raise InvalidInputError(
                    f"images must stand in one row each; got one twice, {where}. Delete one of them."
                )
        return _Rows(images, self.labels + more.labels, self.splits + more.splits, groups, more.kind, places)

    def place(self, row: int) -> str:
        """Where a row stands."""
        one, at = self.places[row]
        return one.place(at)


@dataclass(frozen=True)
class _RowReader:
    """Reads the rows of one table; `images` are those below `root`, `folder` is where the table's paths begin."""

    table: LabelTable
    chosen: dict[str, str]
    images: Images
    root: Path
    folder: str

    def rows(self, split: str) -> _Rows:
        """All rows, of this `split` where the table does not say their own."""
        images = [self._image(row, cell) for row, cell in enumerate(self._cells("path"))]
        self._refuse("image must exist", "path", [row for row, image in enumerate(images) if image == ABSENT])
        kind, labels = self._labels()
        splits = [split] * len(images) if "split" not in self.chosen else self._texts("split")
        known = {**SPLITS, **dict.fromkeys(VALIDATION, VALIDATION[0])}
        found = [known.get(one.casefold(), "") if one else "" for one in splits]
        wrong = [row for row, one in enumerate(splits) if one and not found[row]]
        self._refuse(
            "split must be train, validation or test", "split", wrong, "Or leave them out: --columns split=none."
        )
        groups = self._groups() if "group" in self.chosen else None
        return _Rows(images, labels, found, groups, kind, [(self.table, row) for row in range(len(images))])

    def _cells(self, role: str) -> list[object]:
        return self.table.columns[self.chosen[role]]

    def _texts(self, role: str) -> list[str]:
        """The cells of a column as texts; none may be empty."""
        cells = self._cells(role)
        kinds = [self.table.kind(cell) for cell in cells]
        remedy = f"Fill it in{'' if role in columns.NEEDED else f', or leave the column out: --columns {role}=none'}."
        self._refuse(f"{role} must be given", role, [row for row, kind in enumerate(kinds) if kind == NOTHING], remedy)
        odd = [row for row, kind in enumerate(kinds) if kind not in (TEXT, WHOLE, NUMBER, TRUTH)]
        self._refuse(f"{role} must be text or a number", role, odd)
        return [composed(str(cell).strip()) for cell in cells]

    def _groups(self) -> list[str]:
        """The groups as texts; 1.0, which a column of numbers with gaps makes of 1, is 1."""
        wholes = [self.table.kind(cell) == NUMBER and float(str(cell)).is_integer() for cell in self._cells("group")]
        return [
            str(int(float(text))) if whole else text for text, whole in zip(self._texts("group"), wholes, strict=True)
        ]

    def _labels(self) -> tuple[str, list[str]]:
        """(the kind of the labels, the labels); all must be of one kind."""
        texts = self._texts("label")
        kinds = [self.table.kind(cell) for cell in self._cells("label")]
        usual = Counter(kinds).most_common(1)[0][0] if kinds else TEXT
        odd = [row for row, kind in enumerate(kinds) if kind != usual]
        remedy = f"Most labels here are of the kind {usual!r}; write all alike."
        self._refuse("labels must be all of one kind", "label", odd, remedy)
        return usual, texts

    def _refuse(self, must: str, role: str, rows: Sequence[int], remedy: str = "") -> None:
        if rows:
            cell, more = self._cells(role)[rows[0]], f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
            raise InvalidInputError(
                f"{must}; got {printable(repr(cell))} {self.table.place(rows[0])}{more}.{' ' if remedy else ''}{remedy}"
            )

    def _image(self, row: int, cell: object) -> int:
        """The image that a cell names by its path below the folder, or by as much of it as is unique; else -1."""
        if not isinstance(cell, str) or not cell.strip():
            return ABSENT
        text = composed(cell.strip())
        given = Path(text)
        if given.is_absolute():
            root = next((one for one in self._roots if given.is_relative_to(one)), None)
            inside = "../" if root is None else given.relative_to(root).as_posix()
        else:
            inside = posixpath.join(self.folder, text.replace("\\", "/"))
        path = posixpath.normpath(inside)
        if path.startswith(".."):
            self._refuse("image must lie in the folder of the data set", "path", [row])
        found = self._exact.get(path)
        return self._by_part.get(path, ABSENT) if found is None else found

    @functools.cached_property
    def _roots(self) -> list[Path]:
        """The folder as an absolute path may begin: as it was named, without `..`, and without links."""
        ways = (os.path.abspath, os.path.realpath)
        return [self.root.absolute(), *(Path(composed(way(self.root))) for way in ways)]

    @functools.cached_property
    def _exact(self) -> dict[str, int]:
        return {composed(name): row for row, name in enumerate(self.images.names)}

    @functools.cached_property
    def _by_part(self) -> dict[str, int]:
        """Images by path without suffix, by file name with and without it, and as a cell reads: if that means one."""
        found: dict[str, int] = {}
        for name, row in self._exact.items():
            stem, base = posixpath.splitext(name)[0], posixpath.basename(name)
            for part in {stem, base, posixpath.splitext(base)[0], name.strip().replace("\\", "/")}:
                found[part] = row if found.get(part, row) == row else ABSENT
        return found


def _split(rows: _Rows) -> tuple[dict[str, list[int]], list[str]]:
    """(rows of train, and of test where the file says so; what should be said of the splits)."""
    found: dict[str, list[int]] = {}
    for row, name in enumerate(rows.splits):
        found.setdefault(name or "train", []).append(row)
    notices = []
    validation = found.pop(VALIDATION[0], [])
    if validation and "test" in found:
        notices.append(f"{plural(len(validation), 'validation image')} beside train and test left out")
    elif validation:
        found["test"] = validation
    if not found.get("train"):
        raise InvalidInputError(
            f"labels must have images to train on; got {len(rows.images)} rows, none of the split train. Add some."
        )
    if "test" not in found:
        notices.append("no test split: a fifth of the images is the test split")
    _check_groups(rows, found)
    return {split: found[split] for split in ("train", "test") if split in found}, notices


def _check_groups(rows: _Rows, splits: dict[str, list[int]]) -> None:
    """Raises `InvalidInputError` for a group that stands in both splits."""
    if rows.groups is None:
        return
    first = {rows.groups[row]: row for row in reversed(splits["train"])}
    shared = [row for row in splits.get("test", ()) if rows.groups[row] in first]
    if shared:
        group = rows.groups[shared[0]]
        raise InvalidInputError(
            f"groups must stand in one split each; got {group!r} in train {rows.place(first[group])} and in test "
            f"{rows.place(shared[0])}, as {plural(len(shared), 'test image')} in all. Move them to one split, or "
            "leave the column split out: --columns split=none."
        )


def _members(
    rows: _Rows, splits: dict[str, list[int]], images: Images, root: Path
) -> tuple[dict[str, Members], tuple[str, ...]]:
    """(the images of each split by class and name, the class names in their order: numbers by value)."""

    def order(name: str) -> tuple[float, str]:
        return (float(name) if rows.kind in (WHOLE, NUMBER) else 0.0, name)

    class_names = tuple(sorted({rows.labels[row] for row in splits["train"]}, key=order))
    strange = [row for row in splits.get("test", ()) if rows.labels[row] not in class_names]
    if strange:
        raise InvalidInputError(
            f"test classes must be among the training classes; got {rows.labels[strange[0]]!r} "
            f"{rows.place(strange[0])}. Add training images of it, or delete the row."
        )
    if len(class_names) < 2:
        raise InvalidInputError(
            f"labels must be of at least two classes; got {', '.join(map(repr, class_names))} alone."
        )
    place = {name: at for at, name in enumerate(class_names)}
    numbers = None if rows.groups is None else np.unique(rows.groups, return_inverse=True)[1].astype(np.int64)
    found = {}
    for split, own in splits.items():
        own = sorted(own, key=lambda row: (place[rows.labels[row]], images.names[rows.images[row]]))
        sizes = Counter(rows.labels[row] for row in own)
        taken = images.take([rows.images[row] for row in own])
        groups = None if numbers is None else numbers[own]
        found[split] = Members(dict(sizes), listing.ids(taken.names, root), taken, groups)
    return found, class_names


def _grouped(rows: _Rows) -> Iterator[str]:
    if rows.groups is not None:
        yield f"{plural(len(set(rows.groups)), 'group')}, each in one split only"
