"""The store on an S3 service: any number of processes on any number of machines.

    data/<upload>                       the bytes of an upload, one multipart upload
    staging/<upload>/{journal,tail-…}   how far it has come
    originals/ab/cd/<sha256>            a pointer to the data that is the original
    quarantine/<exhibit>                the same, for what was set aside
    derivatives/ab/<sha256>, log/<tile path>

Filing gives the data a name: a pointer that is written once (If-None-Match). No byte is copied
again, and none can be replaced: a completed upload takes no parts, and where the bucket has
Object Lock, data and pointer are locked.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from evidence import clock
from evidence.errors import (
    FixityMismatch,
    LogForked,
    OriginalMissing,
    StorageUnavailable,
)
from evidence.sm3 import SM3
from evidence.storage import names
from evidence.storage.durable import translated as on_disk
from evidence.storage.durable import write_whole
from evidence.storage.port import ReadBack
from evidence.storage.s3_staging import Pointer, S3Staging
from evidence.storage.s3_writer import SILENT_SECONDS, checksum, data_key

_ATTEMPTS = 5  # to find out what stands under a name


@dataclass(frozen=True, slots=True)
class Lock:
    """Object Lock, put on what is filed; a bucket that has none is left without."""

    days: int
    mode: Literal["GOVERNANCE", "COMPLIANCE"] = "GOVERNANCE"


class S3Store(S3Staging):
    """A Store in the bucket that `url` names; `folder` takes what is on its way, for a moment."""

    def __init__(
        self,
        url: str,
        folder: Path,
        *,
        sm3: bool = SM3,
        lock: Lock | None = None,
        silent_seconds: float = SILENT_SECONDS,
        attempts: int = 3,
    ) -> None:
        """`attempts` at each request, before it is said to have failed."""
        super().__init__(url, folder, sm3=sm3, silent_seconds=silent_seconds, attempts=attempts)
        self._lock = lock
        self._checked = False

    @staticmethod
    def _original(sha256: str) -> str:
        names.sha256(sha256)
        return f"originals/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def file(self, upload_id: UUID, read_back: ReadBack) -> None:
        self._file(upload_id, self._original(read_back.sha256.hex), read_back.size)

    def quarantine(self, upload_id: UUID, exhibit_id: UUID) -> None:
        self._file(upload_id, f"quarantine/{exhibit_id}", None)

    def _file(self, upload_id: UUID, name: str, size: int | None) -> None:
        self.require_no_writer(upload_id)
        journal = self.completed(upload_id)
        if size is not None and journal.offset != size:
            raise FixityMismatch("The staging area is not the one that was read back.")
        there = self.bucket.head(data_key(upload_id), journal.version)
        if there is None or there["ContentLength"] != journal.offset:
            raise FixityMismatch("The staged bytes end before their journal does.")
        pointer = Pointer(data_key(upload_id), journal.version, journal.offset)
        # In the journal first: what may have a name is never removed.
        self.note(upload_id, filed=name, surplus=False)
        self._put_pointer(name, pointer)
        if self.pointer(name) == pointer:
            self._lock_data(pointer)
        else:
            self.note(upload_id, surplus=True)

    def _until(self) -> dt.datetime:
        return clock.now() + dt.timedelta(days=self._lock.days if self._lock else 0)

    def _lock_data(self, pointer: Pointer) -> None:
        if self._lock and self.bucket.locks:
            self.bucket.retain(pointer.key, pointer.version, self._lock.mode, self._until())

    def _put_pointer(self, name: str, pointer: Pointer) -> None:
        """Written once: one that stands there already stays, unless it leads nowhere."""
        content, locked = pointer.written(), {}
        if self._lock and self.bucket.locks:
            locked = {
                "ObjectLockMode": self._lock.mode,
                "ObjectLockRetainUntilDate": self._until(),
                "ChecksumSHA256": checksum(hashlib.sha256(content).digest()),
            }
        for _ in range(_ATTEMPTS):
            if self.bucket.put_new(name, content, **locked):
                return
            kept = self.bucket.get(name)
            if kept is None:
                continue  # it was set aside between the two
            stands = Pointer.read(kept.content)
            # Left to its name, these bytes would be taken for a second copy of what is lost.
            if self.bucket.head(stands.key, stands.version) or self.bucket.swap(
                name, content, kept.etag, **locked
            ):
                return
        raise StorageUnavailable("The storage service contradicts itself. Try again.")

    def _found(self, name: str) -> Pointer:
        pointer = self.pointer(name)
        there = self.bucket.head(pointer.key, pointer.version) if pointer else None
        if pointer is None or there is None:
            raise OriginalMissing()
        # What the service has, not what was noted: a difference is for the caller to see.
        return Pointer(pointer.key, pointer.version, int(there["ContentLength"]))

    def read_again(self, sha256: str) -> Iterator[bytes]:
        return self.read(sha256)

    def lock_again(self, sha256: str) -> None:
        self._lock_named(self._original(sha256))

    def lock_quarantined(self, exhibit_id: UUID) -> None:
        self._lock_named(f"quarantine/{exhibit_id}")

    def _lock_named(self, name: str) -> None:
        found = self._found(name)
        if self._lock and self.bucket.locks:
            self._lock_data(found)
            self.bucket.retain(name, "", self._lock.mode, self._until())

    def set_aside(self, sha256: str, exhibit_id: UUID) -> None:
        pointer = self.pointer(self._original(sha256))
        if pointer is not None:
            self._put_pointer(f"quarantine/{exhibit_id}", pointer)
            self.bucket.delete(self._original(sha256))

    abreast = 8

    def size(self, sha256: str) -> int:
        return self._found(self._original(sha256)).size

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._stretch(self._original(sha256), start, length)

    def read_quarantined(
        self, exhibit_id: UUID, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        return self._stretch(f"quarantine/{exhibit_id}", start, length)

    def _stretch(self, name: str, start: int, length: int | None) -> Iterator[bytes]:
        found = self._found(name)
        end = found.size if length is None else min(found.size, start + length)
        return self.bucket.pieces(found.key, found.version, start, end)

    @contextmanager
    def local_path(self, sha256: str) -> Iterator[Path]:
        pieces = self.read(sha256)
        with ExitStack() as stack:
            with on_disk():
                file = stack.enter_context(tempfile.NamedTemporaryFile(dir=self._folder))
                for piece in pieces:
                    write_whole(file.fileno(), piece)
            yield Path(file.name)

    def local_name(self, sha256: str) -> str | None:
        return None

    def originals(self) -> Iterator[str]:
        for key in self.bucket.names("originals/"):
            name = key.rpartition("/")[2]
            if names.is_sha256(name):
                yield name

    def quarantined(self) -> Iterator[UUID]:
        for name in self.bucket.names("quarantine/"):
            with suppress(ValueError):
                yield UUID(name)

    def signed_url(self, sha256: str, seconds: int, media_type: str, disposition: str) -> str:
        """An address from which the service itself hands the bytes out for so long."""
        found = self._found(self._original(sha256))
        versioned = {"VersionId": found.version} if found.version else {}
        url: str = self.bucket.client.generate_presigned_url(
            "get_object",
            Params={
                **self.bucket.at(found.key),
                **versioned,
                "ResponseContentType": media_type,
                "ResponseContentDisposition": disposition,
            },
            ExpiresIn=seconds,
        )
        return url

    # ── derivatives and tiles ────────────────────────────────────────────────────────────

    def put_derivative(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.bucket.put_new(f"derivatives/{sha256[:2]}/{sha256}", content)
        return sha256

    def derivative(self, sha256: str) -> bytes:
        names.sha256(sha256)
        kept = self.bucket.get(f"derivatives/{sha256[:2]}/{sha256}")
        if kept is None:
            raise OriginalMissing()
        return kept.content

    def derivatives(self) -> Iterator[str]:
        for key in self.bucket.names("derivatives/"):
            name = key.rpartition("/")[2]
            if names.is_sha256(name):
                yield name

    def put_tile(self, path: str, content: bytes) -> None:
        if not self.bucket.put_new(f"log/{names.tile(path)}", content):
            raise LogForked(f"Other content stands at {path} already.")

    def tile(self, path: str) -> bytes | None:
        kept = self.bucket.get(f"log/{names.tile(path)}")
        return kept.content if kept else None

    def tiles(self, below: str = "") -> Iterator[str]:
        found = (below + rest for rest in self.bucket.names(f"log/{below}"))
        yield from filter(names.is_tile, found)

    def room(self) -> None:
        return None

    def check(self) -> None:
        if self._checked:
            self.bucket.answers()
            return
        self.bucket.check()
        self._checked = True
