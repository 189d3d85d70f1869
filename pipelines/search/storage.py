"""Where a search lives, and what it is a search of: one folder, one space, one subject, for good."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from extract.errors import InvalidInputError, TransferBenchError
from extract.features.layout import canonical_json
from extract.runtime.disk import write_file
from extract.runtime.locks import Lock
from pipelines.search.space import Space, as_json
from pipelines.workspace import stored
from pipelines.workspace.answer_shapes import Sought

DEFINITION = "search.json"
RESULT = "result.json"


@dataclass(frozen=True)
class Definition:
    """What makes two searches the same one: the space in full form, the subject's key, the seed."""

    what: str
    space: dict[str, Any]
    key: dict[str, Any]
    seed: int

    def digest(self) -> str:
        """12 hexadecimal digits of all of it."""
        return hashlib.sha256(canonical_json(self._primitives()).encode()).hexdigest()[:12]

    def differences(self, other: dict[str, Any]) -> list[str]:
        """The names of what is not as in `other`, a definition that was read."""
        own = json.loads(canonical_json(self._primitives()))
        options = _unequal(own["space"], other.get("space"))
        rest = _unequal(own["key"], other.get("key"))
        return options + rest + [name for name in ("what", "seed") if own[name] != other.get(name)]

    def _primitives(self) -> dict[str, Any]:
        return {"what": self.what, "space": self.space, "key": self.key, "seed": self.seed}

    def text(self) -> bytes:
        """The definition as a file."""
        return stored.line(self._primitives())


def define(*, what: str, space: Space, key: dict[str, Any], seed: int) -> Definition:
    """The definition of a search."""
    return Definition(what, as_json(space), key, seed)


def folder(workspace: Path, definition: Definition, *, name: str | None, label: str) -> Path:
    """Where the search stands in the workspace, or will.

    Without a `name` it is called by `label` and the definition's digest, so that a changed space is another search.
    """
    return workspace / "searches" / (_checked(name) if name else f"{_clean(label)}-{definition.digest()}")


def is_begun(folder: Path, definition: Definition) -> bool:
    """Whether this search was begun there; `InvalidInputError` where one with another definition was."""
    path = folder / DEFINITION
    if not path.exists():
        return False
    changed = definition.differences(_read(path))
    if changed:
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
                write_file(folder / DEFINITION, definition.text())
    except OSError as error:
        raise TransferBenchError(f"search must be able to write {str(folder)!r}; got {error.strerror}.") from error


def _read(path: Path) -> dict[str, Any]:
    return stored.read(path, Sought, thing="search", remedy="Remove its folder to search anew.")


def _unequal(own: dict[str, Any], other: Any) -> list[str]:
    found = other if isinstance(other, dict) else {}
    return sorted(key for key in own.keys() | found.keys() if own.get(key, own) != found.get(key, own))


def _checked(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", name):
        raise InvalidInputError(
            f"name of a search must be up to 80 letters, digits, dots, dashes and underscores; got {name!r}."
        )
    return name


def _clean(label: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", label).lstrip(".-")[:80]
