"""The contract of storage: staging for what arrives, originals write-once, derivatives, log tiles.

Untrusted: a store that lies can make a fixity check fail, never pass. Every implementation
passes tests/contracts/. Every error that leaves an implementation is one of evidence.errors:
StorageUnavailable, StorageFull, OriginalMissing, FixityMismatch, OffsetMismatch, UploadGone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from evidence.digests import Digest, Segment


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBack:
    """What storage gave back of a finished staging area, beside what had been received.

    `sha256` is over every byte read back; `differing` are the indices of the segments whose
    read-back digest is not the digest taken on receipt (empty: received = read back).
    """

    size: int
    sha256: Digest
    sm3: Digest | None  # over the same bytes; None where it is not taken
    segments: Sequence[Segment]  # as received
    differing: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes free and in all on a file system; `device` is the same for the same file system."""

    free: int
    total: int
    device: int


class StagingWriter(Protocol):
    """One writer on one staging area, from its durable offset on. Not shared between threads."""

    @property
    def offset(self) -> int:
        """The durable offset: where a new writer would go on."""

    def write(self, chunk: bytes | memoryview) -> None:
        """Take in bytes; the caller may use their memory again afterwards.

        MAY make whole segments durable on the way, unless opened with `hold`. MUST raise
        StorageFull or StorageUnavailable without moving the durable offset past what is durable.
        """

    def commit(self) -> int:
        """Make everything written durable, with its segment digests; the new offset.

        MUST return only after data, then journal, are on stable storage.
        """

    def discard(self) -> None:
        """Forget what was written since the last durable offset (a checksum that failed)."""


class StagingArea(Protocol):
    """Bytes on their way in, with a journal of the segments received. The journal is the offset."""

    def create(self, upload_id: UUID, length: int | None) -> None:
        """Make an empty staging area and reserve room for `length` bytes.

        MUST raise StorageFull, leaving nothing behind, where there is no room. Creating one that
        exists MUST be harmless (a retry).
        """

    def declare_length(self, upload_id: UUID, length: int) -> None:
        """Reserve the room once a deferred length is known. Raises StorageFull."""

    def offset(self, upload_id: UUID) -> int:
        """How many bytes are durable. Raises UploadGone."""

    def segments(self, upload_id: UUID) -> list[Segment]:
        """The segments received so far, in order; their lengths add up to the offset."""

    def writer(
        self, upload_id: UUID, *, hold: bool = False
    ) -> AbstractContextManager[StagingWriter]:
        """Open for writing at the durable offset, cutting a torn tail.

        With `hold` nothing becomes durable before commit(). Leaving the block without commit()
        or discard() keeps only what was already durable.
        """

    def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> None:
        """Make a staging area of the bytes of finished `parts`, in order, durable on return."""

    def read_back(self, upload_id: UUID) -> ReadBack:
        """Read every byte again from storage and digest it.

        MAY use what a writer already read back behind itself, so long as each byte was read from
        storage after it was made durable.
        """

    def unread(self, upload_id: UUID) -> int:
        """How many bytes read_back() would still have to read: what it would cost just now."""

    def remove(self, upload_id: UUID) -> None:
        """Remove a staging area; removing what is not there is harmless."""

    def staged(self) -> Iterable[UUID]:
        """Every staging area that exists."""


class OriginalStore(Protocol):
    """Write-once bytes, filed under their digest."""

    def file(self, upload_id: UUID, read_back: ReadBack) -> None:
        """Turn a finished staging area into the original `read_back.sha256`.

        MUST be durable on return, and MUST keep the staging journal, so that a crash before the
        row's commit can be retried: the caller removes the staging area after its commit. MUST
        leave bytes already filed under that digest alone, so that a retry is harmless. MUST make
        sure that no writer can still reach the bytes. MUST raise FixityMismatch, filing nothing,
        where the size is not that of the read-back.
        """

    def quarantine(self, upload_id: UUID, exhibit_id: UUID) -> None:
        """Set a staging area aside under `exhibit_id`, durable, never among the originals.

        A retry is harmless.
        """

    def read_again(self, sha256: str) -> Iterator[bytes]:
        """Every byte of an original, from the medium and not from a cache wherever that can be had.

        Raises OriginalMissing at once, StorageUnavailable where the medium refuses.
        """

    def lock_again(self, sha256: str) -> None:
        """Where the service locks what is filed for a time, begin that time anew; never shorten it.

        Raises OriginalMissing.
        """

    def lock_quarantined(self, exhibit_id: UUID) -> None:
        """The same of what is in quarantine. Raises OriginalMissing."""

    def set_aside(self, sha256: str, exhibit_id: UUID) -> None:
        """Take what is filed as an original away into quarantine, under `exhibit_id`, durable.

        For bytes that are no longer those of their name. A retry is harmless.
        """

    @property
    def abreast(self) -> int:
        """How many questions are best asked at the same time: 1 where each is answered at once."""

    def size(self, sha256: str) -> int:
        """Bytes of an original. Raises OriginalMissing."""

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """A stretch of an original in chunks of at most 1 MiB. Raises OriginalMissing at once."""

    def read_quarantined(
        self, exhibit_id: UUID, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        """The same, of quarantined bytes."""

    def quarantined(self) -> Iterator[UUID]:
        """The exhibit of everything set aside."""

    def local_path(self, sha256: str) -> AbstractContextManager[Path]:
        """A local file with the original's bytes, for tools that need one; read-only."""

    def signed_url(
        self, sha256: str, seconds: int, media_type: str, disposition: str
    ) -> str | None:
        """An address from which the service itself hands an original out, for so many seconds.

        None where there is no service. Raises OriginalMissing.
        """

    def local_name(self, sha256: str) -> str | None:
        """Where a proxy that may read the folder of the originals finds one, below that folder.

        None where originals are no local files. Says nothing of whether it is there.
        """

    def originals(self) -> Iterator[str]:
        """The SHA-256 of every original filed."""


class DerivativeStore(Protocol):
    """Small derivatives (posters) filed under their own digest."""

    def put_derivative(self, content: bytes) -> str:
        """File `content`, durable; its SHA-256 in hex. A retry is harmless."""

    def derivative(self, sha256: str) -> bytes:
        """Raises OriginalMissing."""

    def derivatives(self) -> Iterator[str]:
        """The SHA-256 of every derivative filed."""


class TileStore(Protocol):
    """The published log: immutable tiles and bundles under their C2SP paths."""

    def put_tile(self, path: str, content: bytes) -> None:
        """Durable on return. Writing the same content again is harmless; other content under an
        existing path MUST raise LogForked."""

    def tile(self, path: str) -> bytes | None:
        """None where there is no such tile."""


class ListedTileStore(TileStore, Protocol):
    """One that can say what it has."""

    def tiles(self, below: str = "") -> Iterator[str]:
        """The path of every tile and bundle that begins with `below`."""


class Store(StagingArea, OriginalStore, DerivativeStore, ListedTileStore, Protocol):
    """What the server needs, in one place."""

    def room(self) -> Room | None:
        """Of the file system that originals lie on; None where the store has no such limit."""

    def check(self) -> None:
        """Raise StorageUnavailable where the store cannot be written and read just now."""
