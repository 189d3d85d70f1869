"""Optuna's journal as a file of checked lines: numbered, with checksums, each there complete or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from optuna.storages.journal import BaseJournalBackend

from extract.runtime.disk import disk_errors
from extract.runtime.locks import Lock
from extract.runtime.typed_json import typed
from pipelines.workspace import stored

Entries = list[dict[str, object]]
REMEDY = "Remove the search's folder to search anew, or that line and all after it to go on from there."


class JournalLine(Struct, frozen=True):
    """One line: its number in the file, from 0, and Optuna's entries in it."""

    line: int
    entries: Entries


class JournalFile(BaseJournalBackend):
    """The journal at `path`. What a killed process left of a line is no line; who writes next cuts it off.

    Raises `CorruptFileError`, with the line's number, for a complete line that is not as it was written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: Entries = []  # of the lines that were read
        self._begun: Entries | None = None  # of the line that is being put together
        self._line_count = self._byte_count = 0  # of what was read
        path.touch()

    def read_logs(self, log_number_from: int) -> Entries:
        """The entries from that number on, those of a line that is being put together last."""
        if self._begun is None:
            self._read()
        return [*self._entries, *(self._begun or [])][log_number_from:]

    def append_logs(self, logs: Entries) -> None:
        """Adds entries: to the line that is being put together, or as a line of their own."""
        if self._begun is not None:
            self._begun += logs
            return
        with self.one_line():
            self.append_logs(logs)

    @contextmanager
    def one_line(self) -> Iterator[None]:
        """One line of all that the body adds: all of it is there, or, where the body fails, nothing.

        Nobody else adds anything meanwhile.
        """
        with disk_errors(self._path), Lock(self._path.with_name(f"{self._path.name}.lock")):
            self._read()
            self._begun = []
            try:
                yield
                if self._begun:
                    self._write(stored.line(JournalLine(self._line_count, self._begun)))
                    self._read()
            finally:
                self._begun = None

    def _read(self) -> None:
        """Reads the lines that were added since."""
        with self._path.open("rb") as file:
            file.seek(self._byte_count)
            *lines, _ = file.read().split(b"\n")
        for content in lines:
            self._entries += self._checked(content).entries
            self._line_count += 1
            self._byte_count += len(content) + 1

    def _checked(self, content: bytes) -> JournalLine:
        try:
            found = typed(stored.checked(content), JournalLine)
            if found.line != self._line_count:
                raise ValueError("it is out of order")
        except ValueError as error:
            what = f"line {self._line_count + 1}: {error}"
            raise stored.damaged(self._path, what, thing="journal of the search", remedy=REMEDY) from error
        return found

    def _write(self, content: bytes) -> None:
        with self._path.open("r+b") as file:
            try:
                file.truncate(self._byte_count)  # half a line of a killed process
                file.seek(self._byte_count)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._byte_count)
                raise
