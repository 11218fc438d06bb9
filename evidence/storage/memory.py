"""The store in memory, with faults to order: for tests, and for the contract's second reading."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal
from uuid import UUID

from evidence.digests import SEGMENT_BYTES, Digest, Segment
from evidence.errors import (
    FixityMismatch,
    LogForked,
    OriginalMissing,
    StorageFull,
    StorageUnavailable,
    UploadComplete,
    UploadGone,
    UploadLeased,
)
from evidence.sm3 import SM3, new_sm3
from evidence.storage import names
from evidence.storage.port import ReadBack, StagingWriter

# What an ordered fault does: nothing before it fails, or everything before it fails.
Fault = Literal["lost", "done but not reported"] | None
Operation = Literal["create", "commit", "file", "quarantine", "remove", "derivative", "tile"]


def _sm3(data: bytearray) -> Digest | None:
    if not SM3:
        return None
    whole = new_sm3()
    whole.update(data)
    return Digest.sm3(whole.digest())


class _Staged:
    def __init__(self, length: int | None) -> None:
        self.length = length
        self.data = bytearray()
        self.segments: list[Segment] = []
        self.leased = False
        self.filed = False


class _Writer:
    def __init__(self, store: MemoryStore, staged: _Staged, *, hold: bool) -> None:
        self._store, self._staged, self._hold = store, staged, hold
        self._fresh = bytearray()

    @property
    def offset(self) -> int:
        return len(self._staged.data)

    def write(self, chunk: bytes | memoryview) -> None:
        self._fresh += chunk
        while not self._hold and len(self._fresh) >= SEGMENT_BYTES:
            self._keep(SEGMENT_BYTES)

    def _keep(self, length: int) -> None:
        piece = bytes(self._fresh[:length])
        del self._fresh[:length]
        self._staged.data += piece
        self._staged.segments.append(Segment(len(piece), hashlib.sha256(piece).digest()))

    def commit(self) -> int:
        def keep_all() -> None:
            while self._fresh:
                self._keep(min(SEGMENT_BYTES, len(self._fresh)))

        self._store.perform("commit", keep_all)
        return self.offset

    def discard(self) -> None:
        self._fresh.clear()


class MemoryStore:
    """A Store that forgets. `faults[operation]` orders a fault for every call until it is unset."""

    def __init__(self, capacity: int = 1024**3) -> None:
        self.capacity = capacity
        self.faults: dict[Operation, Fault] = {}
        self._staged: dict[UUID, _Staged] = {}
        self._originals: dict[str, bytes] = {}
        self._quarantine: dict[UUID, bytes] = {}
        self._derivatives: dict[str, bytes] = {}
        self._tiles: dict[str, bytes] = {}

    def perform(self, operation: Operation, act: Callable[[], object]) -> None:
        """Do `act`, or fail as the ordered fault says."""
        fault = self.faults.get(operation)
        if fault != "lost":
            act()
        if fault is not None:
            raise StorageUnavailable()

    def _at(self, upload_id: UUID) -> _Staged:
        try:
            return self._staged[upload_id]
        except KeyError:
            raise UploadGone() from None

    def create(self, upload_id: UUID, length: int | None) -> None:
        if upload_id in self._staged:
            return
        if sum(s.length or 0 for s in self._staged.values()) + (length or 0) > self.capacity:
            raise StorageFull()
        self.perform("create", lambda: self._staged.setdefault(upload_id, _Staged(length)))

    def declare_length(self, upload_id: UUID, length: int) -> None:
        if length > self.capacity:
            raise StorageFull()
        self._at(upload_id).length = length

    def offset(self, upload_id: UUID) -> int:
        return len(self._at(upload_id).data)

    def segments(self, upload_id: UUID) -> list[Segment]:
        return list(self._at(upload_id).segments)

    @staticmethod
    def _lease(staged: _Staged) -> None:
        if staged.leased:
            raise UploadLeased()

    @contextmanager
    def writer(self, upload_id: UUID, *, hold: bool = False) -> Iterator[StagingWriter]:
        staged = self._at(upload_id)
        self._lease(staged)
        if staged.filed:
            raise UploadComplete()
        staged.leased = True
        try:
            yield _Writer(self, staged, hold=hold)
        finally:
            staged.leased = False

    def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> None:
        whole = _Staged(None)
        for part in parts:
            whole.data += self._at(part).data
            whole.segments += self._at(part).segments
        present = self._staged.get(upload_id)
        if present is None or len(present.data) != len(whole.data):
            self._staged[upload_id] = whole

    def read_back(self, upload_id: UUID) -> ReadBack:
        staged = self._at(upload_id)
        differing, at = [], 0
        for index, segment in enumerate(staged.segments):
            piece = staged.data[at : at + segment.length]
            if hashlib.sha256(piece).digest() != segment.sha256:
                differing.append(index)
            at += segment.length
        whole = Digest(algorithm="sha256", value=hashlib.sha256(staged.data).digest())
        return ReadBack(
            size=len(staged.data),
            sha256=whole,
            sm3=_sm3(staged.data),
            segments=list(staged.segments),
            differing=tuple(differing),
        )

    def unread(self, upload_id: UUID) -> int:
        self._at(upload_id)
        return 0

    def remove(self, upload_id: UUID) -> None:
        self.perform("remove", lambda: self._staged.pop(upload_id, None))

    def staged(self) -> Iterator[UUID]:
        return iter(list(self._staged))

    def file(self, upload_id: UUID, read_back: ReadBack) -> None:
        staged = self._at(upload_id)
        self._lease(staged)
        if len(staged.data) != read_back.size:
            raise FixityMismatch("The staging area is not the one that was read back.")

        def keep() -> None:
            staged.filed = True
            self._originals.setdefault(read_back.sha256.hex, bytes(staged.data))

        self.perform("file", keep)

    def quarantine(self, upload_id: UUID, exhibit_id: UUID) -> None:
        staged = self._at(upload_id)
        self._lease(staged)

        def keep() -> None:
            staged.filed = True
            self._quarantine.setdefault(exhibit_id, bytes(staged.data))

        self.perform("quarantine", keep)

    def read_again(self, sha256: str) -> Iterator[bytes]:
        return self.read(sha256)

    def lock_again(self, sha256: str) -> None:
        self._content(sha256)

    def lock_quarantined(self, exhibit_id: UUID) -> None:
        self.read_quarantined(exhibit_id, 0, 0)

    def set_aside(self, sha256: str, exhibit_id: UUID) -> None:
        def move() -> None:
            if names.sha256(sha256) in self._originals:
                self._quarantine.setdefault(exhibit_id, self._originals.pop(sha256))

        self.perform("quarantine", move)

    abreast = 1

    def size(self, sha256: str) -> int:
        return len(self._content(sha256))

    def _content(self, sha256: str) -> bytes:
        try:
            return self._originals[names.sha256(sha256)]
        except KeyError:
            raise OriginalMissing() from None

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._pieces(self._content(sha256), start, length)

    def read_quarantined(
        self, exhibit_id: UUID, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        if exhibit_id not in self._quarantine:
            raise OriginalMissing()
        return self._pieces(self._quarantine[exhibit_id], start, length)

    @staticmethod
    def _pieces(content: bytes, start: int, length: int | None) -> Iterator[bytes]:
        end = len(content) if length is None else min(len(content), start + length)
        for at in range(start, end, 1024 * 1024):
            yield content[at : min(end, at + 1024 * 1024)]

    @contextmanager
    def local_path(self, sha256: str) -> Iterator[Path]:
        with tempfile.NamedTemporaryFile() as file:
            file.write(self._content(sha256))
            file.flush()
            yield Path(file.name)

    def signed_url(
        self, sha256: str, seconds: int, media_type: str, disposition: str
    ) -> str | None:
        return None

    def local_name(self, sha256: str) -> str | None:
        return None

    def originals(self) -> Iterator[str]:
        return iter(list(self._originals))

    def quarantined(self) -> Iterator[UUID]:
        return iter(list(self._quarantine))

    def put_derivative(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.perform("derivative", lambda: self._derivatives.setdefault(sha256, content))
        return sha256

    def derivative(self, sha256: str) -> bytes:
        try:
            return self._derivatives[names.sha256(sha256)]
        except KeyError:
            raise OriginalMissing() from None

    def derivatives(self) -> Iterator[str]:
        return iter(list(self._derivatives))

    def put_tile(self, path: str, content: bytes) -> None:
        if self._tiles.get(names.tile(path), content) != content:
            raise LogForked(f"Other content stands at {path} already.")
        self.perform("tile", lambda: self._tiles.setdefault(path, content))

    def tile(self, path: str) -> bytes | None:
        return self._tiles.get(names.tile(path))

    def tiles(self, below: str = "") -> Iterator[str]:
        return iter([path for path in self._tiles if path.startswith(below)])

    def room(self) -> None:
        return None

    def check(self) -> None:
        """Memory is always there."""
