"""A part that arrives, until the service has it: in a buffer while there is one, else in a file.

What does not fit into a buffer, and what has to be kept for long, goes into a file without a name
on the local disk: 69 writers in memory would be half a gigabyte.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from evidence.digests import Segment
from evidence.errors import StorageError, StorageFull
from evidence.storage.buffers import BUFFERS
from evidence.storage.durable import refusal, write_whole

_NO_ROOM = "The disk under data/tmp is full. Free space there, then send it again."


class Spool:
    """The bytes of a part and their segments. It has a buffer, or a file in `folder`, or nothing.

    Raises StorageFull, StorageUnavailable where the file cannot be begun.
    """

    def __init__(self, folder: Path, *, in_memory: bool) -> None:
        self._folder = folder
        self._buffer = BUFFERS.borrow() if in_memory else None
        self._file: Any = None
        self.segments: list[Segment] = []
        self.size = 0
        self.holds_tail = False
        if self._buffer is None:
            self._file = _unnamed(folder)

    def put(self, content: bytes | memoryview) -> None:
        """Wholly or not at all. Raises StorageFull, StorageUnavailable."""
        end = self.size + len(content)
        if self._buffer is not None and end > len(self._buffer):
            self._leave_memory(self._buffer)
        if self._buffer is not None:
            self._buffer[self.size : end] = content
        else:
            self._write(content)
        self.size = end

    def _leave_memory(self, held: bytearray) -> None:
        self._file = _unnamed(self._folder)
        try:
            write_whole(self._file.fileno(), memoryview(held)[: self.size])
        except OSError as error:
            self._file.close()
            raise _refusal(error) from error
        self._give_back()

    def _write(self, content: bytes | memoryview) -> None:
        try:
            write_whole(self._file.fileno(), content)
        except OSError as error:
            # What had room would stand in the part, and in no segment of it.
            self._file.seek(self.size)
            self._file.truncate()
            raise _refusal(error) from error

    def body(self) -> BinaryIO | bytes | bytearray:
        """All of it, as boto3 takes it."""
        if self._buffer is None:
            self._file.seek(0)
            file: BinaryIO = self._file
            return file
        held = memoryview(self._buffer)[: self.size]
        return self._buffer if self.size == len(self._buffer) else bytes(held)

    def content(self) -> bytes:
        body = self.body()
        return bytes(body if isinstance(body, bytes | bytearray) else body.read())

    def sha256(self) -> bytes:
        if len(self.segments) == 1:
            return self.segments[0].sha256
        if self._buffer is not None:
            return hashlib.sha256(memoryview(self._buffer)[: self.size]).digest()
        self._file.seek(0)
        digest = hashlib.file_digest(self._file, "sha256").digest()
        self._file.seek(0)
        return digest

    def close(self) -> None:
        """Forget it; a second time changes nothing."""
        self._give_back()
        if self._file is not None:
            self._file.close()

    def _give_back(self) -> None:
        if self._buffer is not None:
            BUFFERS.give_back(self._buffer)
            self._buffer = None


def _unnamed(folder: Path) -> Any:  # of the tempfile module
    try:
        return tempfile.TemporaryFile(dir=folder, buffering=0)
    except OSError as error:
        raise _refusal(error) from error


def _refusal(error: OSError) -> StorageError:
    """It is not the store that is full."""
    found = refusal(error)
    return StorageFull(_NO_ROOM) if isinstance(found, StorageFull) else found
