"""A file read as the concatenation of some of its parts and of bytes of our own: nothing is copied, nothing written."""

import io
from collections.abc import Sequence
from typing import BinaryIO

Piece = bytes | tuple[int, int]  # bytes, or (start, stop) of the file


class Pieces(io.RawIOBase):
    """`pieces` of a file, one after the other, as a file that is read by position.

    It has no `fileno`: who reads it cannot go past it to the file itself.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[Piece]) -> None:
        self._file = file
        self._pieces = _merged(pieces)
        self._size = sum(map(_length, self._pieces))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Goes to a position and returns it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer) -> int:  # type: ignore[override]
        done, start = 0, 0
        for piece in self._pieces:
            stop = start + _length(piece)
            if start <= self._place < stop and done < len(buffer):
                taken = self._read(piece, self._place - start, min(stop - self._place, len(buffer) - done))
                buffer[done : done + len(taken)] = taken
                done += len(taken)
                self._place += len(taken)
            start = stop
        return done

    def _read(self, piece: Piece, skipped: int, count: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[skipped : skipped + count]
        self._file.seek(piece[0] + skipped)
        return self._file.read(count)


def _merged(pieces: Sequence[Piece]) -> list[Piece]:
    found: list[Piece] = []
    for piece in pieces:
        last = found[-1] if found else b""
        if isinstance(piece, tuple) and isinstance(last, tuple) and last[1] == piece[0]:
            found[-1] = (last[0], piece[1])
        elif _length(piece) > 0:
            found.append(piece)
    return found


def _length(piece: Piece) -> int:
    return len(piece) if isinstance(piece, bytes) else piece[1] - piece[0]
