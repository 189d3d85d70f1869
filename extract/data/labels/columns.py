"""Which columns of a table say an image's path, label, split and group: by usual names, or as the user names them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from extract.data.labels.table import LabelTable
from extract.errors import InvalidInputError, unknown

# Usual names, the likeliest first; case, dashes and blanks do not count.
USUAL = {
    "path": "path file_name filename file file_path filepath image_path image image_name image_id img name id",
    "label": "label labels class class_name category target y",
    "split": "split set partition subset",
    "group": "group group_id patient patient_id subject subject_id object object_id individual lesion_id scene day",
}
NEEDED = ("path", "label")
UNUSED = "none"


@dataclass(frozen=True)
class LabelFile:
    """A file of labels beside a folder of images; `columns` are texts like "label=diagnosis", for what is not usual.

    `name` is that of the data set, where it is not the folder's with the file's.
    """

    path: str
    columns: tuple[str, ...] = ()
    name: str = ""

    def named(self) -> dict[str, str]:
        """The columns that are named, by what they say. Raises `InvalidInputError` for what is no NAME=COLUMN."""
        found: dict[str, str] = {}
        for text in self.columns:
            role, equals, column = (part.strip() for part in text.partition("="))
            if not equals or not column:
                raise InvalidInputError(f"columns must be like label=diagnosis; got {text!r}.")
            if role not in USUAL:
                raise unknown("column", name=role, known=USUAL)
            if role in found or (role in NEEDED and column == UNUSED):
                raise InvalidInputError(f"columns must name one column for {role}; got {text!r}. Leave one out.")
            found[role] = column
        return found


def chosen(table: LabelTable, named: Mapping[str, str], *, needed: Sequence[str] = NEEDED) -> dict[str, str]:
    """The column of the table for path, label, split and group; split and group only where there is one.

    Raises `InvalidInputError` where a column is not there, naming those that are.
    """
    plain: dict[str, str] = {}
    for column in table.columns:
        plain.setdefault("_".join(column.casefold().replace("-", " ").split()), column)
    found: dict[str, str] = {}
    for role, usual in USUAL.items():
        if role in named:
            if named[role] not in table.columns and named[role] != UNUSED:
                raise unknown(f"column of {table.name}", name=named[role], known=table.columns)
            found[role] = named[role]
        else:
            found[role] = next((plain[name] for name in usual.split() if name in plain), UNUSED)
        if found[role] == UNUSED and role in needed:
            raise InvalidInputError(
                f"labels must have a column for the {role} of each image; got {', '.join(map(repr, table.columns))} in "
                f"{table.name}. Name it with --columns {role}=NAME."
            )
    return {role: column for role, column in found.items() if column != UNUSED}
