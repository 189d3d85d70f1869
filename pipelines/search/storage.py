"""The folder of a search and its immutable definition: one folder, one space, one subject."""

import hashlib
import json
import re
from pathlib import Path

from msgspec import Struct

from extract.errors import InvalidInputError, TransferBenchError
from extract.features.layout import canonical_json
from extract.runtime.locks import Lock
from extract.runtime.typed_json import plain
from pipelines.workspace import stored

DEFINITION = "search.json"
RESULT = "result.json"


class Definition(Struct, frozen=True):
    """The identity of a search: what is searched, the space in full form, the subject's key, the seed."""

    what: str
    space: dict[str, object]
    key: dict[str, object]
    seed: int

    def digest(self) -> str:
        """12 hexadecimal digits of all of it."""
        return hashlib.sha256(canonical_json(plain(self)).encode()).hexdigest()[:12]

    def differences(self, other: "Definition") -> list[str]:
        """The names of what is not as in `other`: searched options, parts of the key, the rest."""
        own, found = (json.loads(canonical_json(plain(one))) for one in (self, other))
        parts = ((own["space"], found["space"]), (own["key"], found["key"]))
        names = [name for one, two in parts for name in sorted(one.keys() | two.keys()) if _differs(one, two, name)]
        return [*names, *(name for name in ("what", "seed") if own[name] != found[name])]


def _differs(own: dict[str, object], other: dict[str, object], name: str) -> bool:
    return (name in own) != (name in other) or own.get(name) != other.get(name)


def folder(workspace: Path, definition: Definition, *, name: str | None, label: str) -> Path:
    """The folder of a search in the workspace, made or not.

    Without a `name` it is called by `label` and the definition's digest, so that a changed space is another search.
    """
    if name is None:
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', label).lstrip('.-')[:80]}-{definition.digest()}"
    elif not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", name):
        raise InvalidInputError(
            f"name of a search must be up to 80 letters, digits, dots, dashes and underscores; got {name!r}."
        )
    return workspace / "searches" / name


def is_begun(folder: Path, definition: Definition) -> bool:
    """True where this search was begun there; `InvalidInputError` where one with another definition was."""
    path = folder / DEFINITION
    if not path.exists():
        return False
    found = stored.read(path, Definition, thing="search", remedy="Remove its folder to search anew.")
    if changed := definition.differences(found):
        raise InvalidInputError(
            f"search {folder.name} must go on as it was begun; got another {', '.join(changed[:4])}. "
            "Give the changed search another --name."
        )
    return True


def begin(folder: Path, definition: Definition) -> None:
    """Makes the folder and keeps the definition there; `is_begun` decides between two that begin at once."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with Lock(folder / "begin.lock"):
            if not is_begun(folder, definition):
                stored.write(folder / DEFINITION, definition)
    except OSError as error:
        raise TransferBenchError(f"search must be able to write {str(folder)!r}; got {error.strerror}.") from error
