"""joblib store of the answers of cached functions: one checked JSON file each, nothing pickled."""

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from joblib import StoreBackendBase

from extract.errors import CorruptFileError, TransferBenchError
from extract.runtime.disk import disk_errors
from extract.runtime.typed_json import ShapeError, typed
from pipelines.workspace import stored
from pipelines.workspace.schema import Options


class _Entry(TypedDict):
    """A file of the store: which call it answers, and the answer."""

    function: str
    arguments: str
    answer: object


class Answers(StoreBackendBase):
    """A store of joblib that keeps each answer as one checked JSON file, and makes no folder until it keeps one.

    `shape` is what every answer must be, read or written. An answer is read once, whoever asks for it how often.
    `code` is what joblib takes for the code of the function whose answers these are.
    """

    code = ""

    def configure(self, location: str, verbose: int = 0, backend_options: Options | None = None) -> None:
        """The store in the folder `location`."""
        self.location, self._shape = location, (backend_options or {})["shape"]
        self._read: dict[tuple[str, ...], object] = {}

    def contains_item(self, call_id: Sequence[str]) -> bool:
        """Whether there is an intact answer of that call."""
        call = tuple(call_id)
        if call not in self._read:
            with contextlib.suppress(CorruptFileError, ShapeError):  # it is computed again, and replaced
                found = stored.read(self._path(call), _Entry, thing="cached answer", remedy="It is computed again.")
                if (found["function"], found["arguments"]) == call:
                    self._read[call] = typed(found["answer"], self._shape)
        return call in self._read

    def load_item(self, call_id: Sequence[str], **_: object) -> object:
        """The answer of that call; KeyError where there is none."""
        self.contains_item(call_id)
        return self._read[tuple(call_id)]

    def dump_item(self, call_id: Sequence[str], item: object, verbose: int = 0) -> None:
        """Keeps an answer; `TransferBenchError` where it is not of the declared shape, or cannot be written."""
        path = self._path(call_id)
        try:
            answer = typed(stored.finite(item), self._shape)
        except ShapeError as error:
            raise TransferBenchError(
                f"answer of {call_id[0]} must have its declared shape; got another: {error}."
            ) from error
        with disk_errors(path):
            self.create_location(path.parent)
            stored.write(path, {"function": call_id[0], "arguments": call_id[1], "answer": answer})
        self._read[tuple(call_id)] = answer

    def clear_item(self, call_id: Sequence[str]) -> None:
        """Forgets an answer."""
        self._read.pop(tuple(call_id), None)
        self._path(call_id).unlink(missing_ok=True)

    def clear_path(self, call_id: Sequence[str]) -> None:
        """Forgets the answers of a function."""
        self.clear_location(self._folder(call_id[0]))

    def clear(self) -> None:
        """Forgets everything."""
        self.clear_location(self.location)

    def clear_location(self, location: str | Path) -> None:
        """Removes a folder."""
        self._read.clear()
        shutil.rmtree(location, ignore_errors=True)

    def create_location(self, location: str | Path) -> None:
        """Makes a folder where it is not."""
        Path(location).mkdir(parents=True, exist_ok=True)

    def get_items(self) -> list[Path]:  # type: ignore[override]  # joblib's has no body
        """The files of all answers."""
        return sorted(Path(self.location).rglob("*.json"))

    def get_metadata(self, call_id: Sequence[str]) -> Options:
        """Nothing: a record says itself what it took."""
        return {}

    def store_metadata(self, call_id: Sequence[str], metadata: Options) -> None:
        """Keeps nothing beside the answer."""

    def get_cached_func_code(self, call_id: Sequence[str]) -> str:
        """The code of the function, which joblib compares with itself."""
        return self.code

    def store_cached_func_code(self, call_id: Sequence[str], func_code: str | None = None) -> None:
        """Keeps no code."""

    def get_cached_func_info(self, call_id: Sequence[str]) -> dict[str, str]:
        """Directory of the answers of a function."""
        return {"location": str(self._folder(call_id[0]))}

    def _open_item(self, f: str, mode: str) -> Any:
        return Path(f).open(mode)

    def _item_exists(self, location: str) -> bool:  # type: ignore[override]
        return Path(location).exists()

    def _move_item(self, src: str, dst: str) -> None:
        os.replace(src, dst)

    def _folder(self, function: str) -> Path:
        return Path(self.location, function)

    def _path(self, call_id: Sequence[str]) -> Path:
        return self._folder(call_id[0]) / f"{call_id[1]}.json"
