"""The files of a dossier as a list: each with its path, size, digest, and where its bytes are.

Small files are kept in packs: derivatives that hold many, one after another. Originals stay where
they are, so that a dossier of any size is ready when its small files are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from evidence.storage.port import Store

Where = Literal["pack", "original", "quarantine"]


@dataclass(frozen=True, slots=True)
class Part:
    """One file. `key` is the pack's digest, the original's, or the quarantined exhibit's id."""

    path: str
    size: int
    sha256: str
    where: Where
    key: str
    offset: int = 0  # within a pack


class Pack:
    """Small files that are filed together."""

    def __init__(self) -> None:
        self._files: list[tuple[str, bytes]] = []

    def add(self, path: str, content: bytes | str) -> None:
        self._files.append((path, content.encode() if isinstance(content, str) else content))

    def file(self, store: Store) -> list[Part]:
        """Keep them, durable; the parts that they are."""
        key = store.put_derivative(b"".join(content for _, content in self._files))
        parts, offset = [], 0
        for path, content in self._files:
            digest = hashlib.sha256(content).hexdigest()
            parts.append(Part(path, len(content), digest, "pack", key, offset))
            offset += len(content)
        return parts


def file_list(store: Store, parts: Sequence[Part]) -> str:
    """Keep a list of parts; its digest."""
    rows = [[p.path, p.size, p.sha256, p.where, p.key, p.offset] for p in parts]
    return store.put_derivative(json.dumps(rows, ensure_ascii=False).encode())


def read_list(store: Store, sha256: str) -> list[Part]:
    """Raises OriginalMissing."""
    return [Part(*row) for row in json.loads(store.derivative(sha256))]


class Reader:
    """The bytes of parts; the pack last read is kept, so that parts in order cost one reading."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._key, self._pack = "", b""

    def read(self, part: Part) -> Iterator[bytes]:
        """Raises StorageError."""
        if part.where == "original":
            return self._store.read(part.key)
        if part.where == "quarantine":
            return self._store.read_quarantined(UUID(part.key))
        if part.key != self._key:
            self._key, self._pack = part.key, self._store.derivative(part.key)
        return iter((self._pack[part.offset : part.offset + part.size],))
