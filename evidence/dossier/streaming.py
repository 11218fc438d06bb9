"""A dossier as one ZIP that is written while it is read: any size, in constant memory.

Every byte is digested on the way. Where an original is no longer what was sealed, the stream
breaks off and the receiver has no whole archive: a dossier that would not verify is never handed
out in silence. The archive is the same each time: fixed times, nothing compressed, ZIP64.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO, Any, cast

from evidence.dossier.parts import Part, Reader
from evidence.errors import FixityMismatch
from evidence.storage.port import Store

_PIECE = 1024 * 1024
# A piece is digested while it is on its way out.
_beside = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="dossier")
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can say
_LARGEST_PLAIN = 2**31 - 1  # zipfile's own limit for an archive without ZIP64
_MOST_PLAIN = 65535


class _Sink(io.RawIOBase):
    """What was written and not sent yet; it cannot be sought, so sizes follow their files."""

    def __init__(self) -> None:
        self._written: list[bytes] = []
        self._length = self._sent = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        written = bytes(content)
        self._written.append(written)
        self._length += len(written)
        return len(written)

    def take(self, at_least: int = 1) -> Iterator[bytes]:
        if self._length - self._sent >= at_least:
            yield b"".join(self._written)
            self._written, self._sent = [], self._length


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _TIME)
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    return entry


def stream(store: Store, folder: str, parts: Sequence[Part]) -> Iterator[bytes]:
    """The archive's bytes: every part below `folder`, in the order given.

    Raises FixityMismatch and StorageError on the way.
    """
    sink, reader = _Sink(), Reader(store)
    with zipfile.ZipFile(cast("IO[bytes]", sink), "w", zipfile.ZIP_STORED) as archive:
        for part in parts:
            with archive.open(_entry(f"{folder}/{part.path}"), "w", force_zip64=True) as file:
                for piece in _checked(reader, part):
                    file.write(piece)
                    yield from sink.take(_PIECE)
            yield from sink.take(_PIECE)
    yield from sink.take()


def _checked(reader: Reader, part: Part) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    waited: Future[None] | None = None
    for piece in reader.read(part):
        if waited:
            waited.result()
        waited = _beside.submit(digest.update, piece)
        size += len(piece)
        yield piece
    if waited:
        waited.result()
    if size != part.size or digest.hexdigest() != part.sha256:
        raise FixityMismatch(f"{part.path} is not what the dossier says it is.", key=part.key)


def length(folder: str, parts: Sequence[Part]) -> int:
    """How many bytes `stream` will send: what a browser needs to show how far it is."""
    local = central = wide = 0
    for part in parts:
        name = len(f"{folder}/{part.path}".encode())
        extra = 8 * ((2 if part.size > _LARGEST_PLAIN else 0) + (local > _LARGEST_PLAIN))
        central += 46 + name + (extra + 4 if extra else 0)
        local += 30 + name + 20 + part.size + 24
    if local > _LARGEST_PLAIN or central > _LARGEST_PLAIN or len(parts) > _MOST_PLAIN:
        wide = 56 + 20
    return local + central + wide + 22
