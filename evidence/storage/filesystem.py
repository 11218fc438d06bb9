"""The store on a local disk. Names on it are UUIDs and digests; no name from outside is a path.

    staging/<upload>/{data,journal}    originals/ab/cd/<sha256>    quarantine/<exhibit>
    derivatives/ab/<sha256>            log/<tile path>

Filing gives the staged file a second name among the originals (a hard link: no byte is copied
again) and makes it read-only; the staging folder goes when the row is committed.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from evidence.digests import Segment
from evidence.errors import (
    FixityMismatch,
    OriginalMissing,
    StorageFull,
    UploadGone,
    UploadLeased,
)
from evidence.sm3 import SM3
from evidence.storage import journal, names
from evidence.storage.durable import adopt, make_folder, sync_folder, translated
from evidence.storage.port import ReadBack, Room, StagingWriter
from evidence.storage.read_back import PIECE, Area, RunningReadBacks
from evidence.storage.small_files import SmallFiles
from evidence.storage.staging import SILENT_SECONDS, FileWriter, filed, lock

# Kept free for the database, the queue and the log: a full disk must still take the events.
MARGIN_BYTES = 256 * 1024 * 1024
# How long filing waits for a writer to end.
PATIENCE_SECONDS = 2.0
# What is reserved at a time for an upload that does not say its length.
STEP_BYTES = 64 * 1024 * 1024
# A proxy in the folder's group may read originals, and nothing else of the store.
SHARED = 0o750


class FilesystemStore(SmallFiles):
    """A Store below `root`, which is made with mode 0700 if it is not there."""

    def __init__(self, root: Path, *, sm3: bool = SM3) -> None:
        self.root = root
        self._writers: dict[UUID, FileWriter] = {}
        self._guard = threading.Lock()
        self._running = RunningReadBacks(sm3=sm3)
        with translated():
            for name in ("staging", "quarantine", "derivatives", "log"):
                make_folder(root / name)
            make_folder(root / "originals", SHARED)

    def _staging(self, upload_id: UUID) -> Path:
        return self.root / "staging" / str(upload_id)

    def _segments(self, upload_id: UUID) -> list[Segment]:
        try:
            return journal.parse((self._staging(upload_id) / "journal").read_bytes())
        except FileNotFoundError:
            raise UploadGone() from None

    def _area(self, upload_id: UUID) -> Area:
        """Which area of that name it is: another process may have removed it and made a new one.

        Raises UploadGone.
        """
        try:
            # Its names change only when it is made and when it is removed.
            found = self._staging(upload_id).stat()
        except FileNotFoundError:
            raise UploadGone() from None
        return upload_id, found.st_ino, found.st_mtime_ns

    def create(self, upload_id: UUID, length: int | None) -> None:
        folder = self._staging(upload_id)
        with translated():
            if (folder / "journal").exists():
                return
            self._require_room(length or 0)
            make_folder(folder)
            handle = os.open(folder / "data", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                self._reserve(handle, length or 0)
                os.fsync(handle)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            finally:
                os.close(handle)
            # The journal comes last: a staging area without one was never made.
            os.close(os.open(folder / "journal", os.O_WRONLY | os.O_CREAT, 0o600))
            sync_folder(folder)

    def _require_room(self, length: int) -> None:
        if shutil.disk_usage(self.root).free < length + MARGIN_BYTES:
            raise StorageFull(
                "There is no room for this upload. Free space or move the store, then send it "
                "again; what is on the recorder stays there."
            )

    def _reserve(self, handle: int, length: int) -> None:
        if length:
            with translated():
                os.posix_fallocate(handle, 0, length)

    def _reserve_on(self, handle: int, end: int) -> int:
        """Room for a writer whose length is not known yet, some steps ahead; where it ends now."""
        room = end + STEP_BYTES - end % STEP_BYTES
        self._require_room(room - os.fstat(handle).st_size)
        self._reserve(handle, room)
        return room

    def declare_length(self, upload_id: UUID, length: int) -> None:
        with translated():
            try:
                handle = os.open(self._staging(upload_id) / "data", os.O_RDWR)
            except FileNotFoundError:
                raise UploadGone() from None
            try:
                self._require_room(max(0, length - os.fstat(handle).st_size))
                self._reserve(handle, length)
            finally:
                os.close(handle)

    def offset(self, upload_id: UUID) -> int:
        with translated():
            return journal.end(self._segments(upload_id))

    def segments(self, upload_id: UUID) -> list[Segment]:
        with translated():
            return self._segments(upload_id)

    @contextmanager
    def writer(self, upload_id: UUID, *, hold: bool = False) -> Iterator[StagingWriter]:
        self._take_over(upload_id)
        with translated():
            area = self._area(upload_id)
            writer = FileWriter(
                self._staging(upload_id),
                lambda offset: self._running.up_to(area, offset),
                self._reserve_on,
                hold=hold,
            )
        with self._guard:
            self._writers[upload_id] = writer
        try:
            with writer:
                yield writer
        finally:
            with self._guard:
                if self._writers.get(upload_id) is writer:
                    del self._writers[upload_id]

    def _take_over(self, upload_id: UUID) -> None:
        """Revoke a writer of this process whose connection has fallen silent."""
        with self._guard:
            holder = self._writers.get(upload_id)
        if holder is None:
            return
        if holder.silent_for < SILENT_SECONDS:
            raise UploadLeased()
        holder.revoke()

    def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> None:
        total = sum(self.offset(part) for part in parts)
        self.create(upload_id, total)
        folder = self._staging(upload_id)
        with translated(), (folder / "data").open("r+b") as target:
            lock(target.fileno())
            if filed(target.fileno()) or journal.end(self._segments(upload_id)) == total:
                return  # a retry: it is whole already
            records, at = [], 0
            for part in parts:
                with (self._staging(part) / "data").open("rb") as source:
                    for segment in self._segments(part):
                        self._copy(source.fileno(), target.fileno(), segment.length)
                        records.append(journal.record(at, segment))
                        at += segment.length
            os.fdatasync(target.fileno())
            with (folder / "journal").open("wb") as book:
                book.write(b"".join(records))
                book.flush()
                os.fdatasync(book.fileno())

    @staticmethod
    def _copy(source: int, target: int, length: int) -> None:
        while length:
            copied = os.copy_file_range(source, target, length)
            if not copied:
                raise OriginalMissing("The bytes of a part end before its journal does.")
            length -= copied

    def read_back(self, upload_id: UUID) -> ReadBack:
        with translated():
            segments = self._segments(upload_id)
            running = self._running.within(self._area(upload_id), journal.end(segments))
            try:
                handle = os.open(self._staging(upload_id) / "data", os.O_RDONLY)
            except FileNotFoundError:
                raise UploadGone() from None
            try:
                for segment in segments[running.index :]:
                    running.take(handle, segment)
            finally:
                os.close(handle)
            return running.result(segments)

    def unread(self, upload_id: UUID) -> int:
        end = self.offset(upload_id)
        with translated():
            return end - self._running.within(self._area(upload_id), end).covered

    def remove(self, upload_id: UUID) -> None:
        with suppress(UploadGone), translated():
            self._running.forget(self._area(upload_id))
        with self._guard:
            holder = self._writers.get(upload_id)
        if holder is not None:
            holder.revoke()
        folder = self._staging(upload_id)
        with translated():
            # The journal goes first: without one, the rest is refuse.
            (folder / "journal").unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)

    def staged(self) -> Iterator[UUID]:
        return self._identifiers("staging")

    def _identifiers(self, room: str) -> Iterator[UUID]:
        for path in (self.root / room).iterdir():
            try:
                yield UUID(path.name)
            except ValueError:
                continue

    def _original(self, sha256: str) -> Path:
        names.sha256(sha256)
        return self.root / "originals" / sha256[:2] / sha256[2:4] / sha256

    def file(self, upload_id: UUID, read_back: ReadBack) -> None:
        with self._locked(upload_id) as data:
            size = journal.end(self._segments(upload_id))
            if size != read_back.size:
                raise FixityMismatch("The staging area is not the one that was read back.")
            self._finish(data, size)
            original = self._original(read_back.sha256.hex)
            make_folder(original.parent, SHARED)
            adopt(self._staging(upload_id) / "data", original)

    def quarantine(self, upload_id: UUID, exhibit_id: UUID) -> None:
        with self._locked(upload_id) as data:
            self._finish(data, journal.end(self._segments(upload_id)))
            adopt(self._staging(upload_id) / "data", self.root / "quarantine" / str(exhibit_id))

    @staticmethod
    def _finish(data: int, size: int) -> None:
        """Cut what was reserved but not used, and let nobody write any more."""
        present = os.fstat(data).st_size
        if present < size:
            raise FixityMismatch("The staged bytes end before their journal does.")
        if present > size:
            os.ftruncate(data, size)
        os.fchmod(data, 0o440)
        os.fsync(data)

    @contextmanager
    def _locked(self, upload_id: UUID) -> Iterator[int]:
        """The data file, with the lock that keeps every writer out."""
        with translated():
            path = self._staging(upload_id) / "data"
            try:
                handle = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                raise UploadGone() from None
            except PermissionError:
                # A retry finds the file read-only: it was cut before, and is cut no more.
                handle = os.open(path, os.O_RDONLY)
            try:
                # Whoever wrote the last byte may still be on the way out.
                lock(handle, PATIENCE_SECONDS)
                yield handle
            finally:
                os.close(handle)

    def read_again(self, sha256: str) -> Iterator[bytes]:
        path = self._original(sha256)
        pieces = self._stretch(path, 0, None)
        with translated(), path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return pieces

    def lock_again(self, sha256: str) -> None:
        self.size(sha256)  # a file system has no such time

    def lock_quarantined(self, exhibit_id: UUID) -> None:
        self.read_quarantined(exhibit_id, 0, 0)

    def set_aside(self, sha256: str, exhibit_id: UUID) -> None:
        original = self._original(sha256)
        with translated():
            if original.exists():
                adopt(original, self.root / "quarantine" / str(exhibit_id))
                original.unlink(missing_ok=True)
                sync_folder(original.parent)

    abreast = 1

    def size(self, sha256: str) -> int:
        with translated():
            try:
                return self._original(sha256).stat().st_size
            except FileNotFoundError:
                raise OriginalMissing() from None

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._stretch(self._original(sha256), start, length)

    def read_quarantined(
        self, exhibit_id: UUID, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        return self._stretch(self.root / "quarantine" / str(exhibit_id), start, length)

    def _stretch(self, path: Path, start: int, length: int | None) -> Iterator[bytes]:
        with translated():
            try:
                size = path.stat().st_size
            except FileNotFoundError:
                raise OriginalMissing() from None
        return self._pieces(path, start, size if length is None else min(size, start + length))

    @staticmethod
    def _pieces(path: Path, at: int, end: int) -> Iterator[bytes]:
        with translated(), path.open("rb", buffering=0) as file:
            while at < end:
                piece = os.pread(file.fileno(), min(PIECE, end - at), at)
                if not piece:
                    raise OriginalMissing("The original ends before its size does.")
                yield piece
                at += len(piece)

    @contextmanager
    def local_path(self, sha256: str) -> Iterator[Path]:
        self.size(sha256)
        yield self._original(sha256)

    def signed_url(
        self, sha256: str, seconds: int, media_type: str, disposition: str
    ) -> str | None:
        return None

    def local_name(self, sha256: str) -> str | None:
        return self._original(sha256).relative_to(self.root / "originals").as_posix()

    def originals(self) -> Iterator[str]:
        for path in (self.root / "originals").glob("??/??/*"):
            if names.is_sha256(path.name):
                yield path.name

    def quarantined(self) -> Iterator[UUID]:
        return self._identifiers("quarantine")

    def room(self) -> Room:
        with translated():
            usage = shutil.disk_usage(self.root)
            return Room(free=usage.free, total=usage.total, device=self.root.stat().st_dev)

    def check(self) -> None:
        probe = self.root / f".check-{os.urandom(6).hex()}"
        with translated():
            try:
                probe.write_bytes(b"1")
            finally:
                probe.unlink(missing_ok=True)
