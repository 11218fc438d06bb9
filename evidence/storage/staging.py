"""Staging on a disk: a folder an upload, with its bytes and the journal that says which count.

Order of every write: data → fdatasync → journal record. A crash in between leaves bytes that no
record names: the next writer goes on before them and writes over them. The journal itself is
synced by commit(), before an offset is acknowledged.

While one segment arrives, a thread makes the one before durable and reads it back, so that the
last byte of a recording is hardly waited for.

Fencing: whoever writes holds an flock on the data file; filing takes it too. The kernel frees it
when the process dies, however it dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from evidence.digests import SEGMENT_BYTES, Segment
from evidence.errors import EvidenceError, UploadGone, UploadLeased
from evidence.storage import journal
from evidence.storage.durable import refusal, translated
from evidence.storage.read_back import RunningReadBack

# A connection that brought nothing for so long has lost its right to the next writer.
SILENT_SECONDS = 10.0
_IN_FLIGHT = 3


def lock(handle: int) -> None:
    """Take the data file for oneself. Raises UploadLeased."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UploadLeased() from None


class FileWriter:
    """One writer on one staging area. Its calls come from one thread; revoke() from any."""

    def __init__(
        self, folder: Path, running_from: Callable[[int], RunningReadBack | None], *, hold: bool
    ) -> None:
        self._hold = hold
        self._alive = threading.RLock()  # held while bytes are touched: revoke() waits for it
        self._revoked = False
        self._failure: EvidenceError | None = None
        try:
            self._data = os.open(folder / "data", os.O_RDWR)
        except FileNotFoundError:
            raise UploadGone() from None
        try:
            lock(self._data)
            self._journal = os.open(folder / "journal", os.O_RDWR | os.O_APPEND)
        except BaseException:
            os.close(self._data)
            raise
        segments = journal.parse(journal.read_whole(self._journal))
        # A torn tail is cut here, before anything can be appended behind it.
        os.ftruncate(self._journal, len(segments) * journal.RECORD_BYTES)
        self._offset = self._at = journal.end(segments)
        self._running: RunningReadBack | None = running_from(self._offset)
        self._held: list[Segment] = []
        self._begin_segment()
        self._seen = time.monotonic()
        self._pending: queue.Queue[Segment | None] = queue.Queue(_IN_FLIGHT)
        self._thread: threading.Thread | None = None

    @property
    def offset(self) -> int:
        return self._offset

    @property
    def silent_for(self) -> float:
        """Seconds since the last byte."""
        return time.monotonic() - self._seen

    def _begin_segment(self) -> None:
        self._digest = hashlib.sha256()
        self._length = 0

    def write(self, chunk: bytes) -> None:
        with self._alive, translated():
            self._check()
            self._seen = time.monotonic()
            view = memoryview(chunk)
            while view:
                part = view[: SEGMENT_BYTES - self._length]
                self._digest.update(part)
                self._put(part)
                self._length += len(part)
                view = view[len(part) :]
                if self._length == SEGMENT_BYTES:
                    self._end_segment()

    def _put(self, part: memoryview) -> None:
        while part:
            written = os.pwrite(self._data, part, self._at)
            self._at += written
            part = part[written:]

    def _end_segment(self) -> None:
        segment = Segment(self._length, self._digest.digest())
        self._begin_segment()
        if self._hold:
            self._held.append(segment)
        else:
            self._hand_on(segment)

    def _hand_on(self, segment: Segment) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="staging", daemon=True)
            self._thread.start()
        self._pending.put(segment)

    def _follow(self) -> None:
        """Make each segment durable, note it, read it back: in the background, in order."""
        while (segment := self._pending.get()) is not None:
            if self._failure is None:
                try:
                    self._make_durable(segment)
                except OSError as error:
                    self._failure = refusal(error)
                except EvidenceError as error:
                    self._failure = error
            self._pending.task_done()
        self._pending.task_done()

    def _make_durable(self, segment: Segment) -> None:
        os.fdatasync(self._data)
        os.write(self._journal, journal.record(self._offset, segment))
        self._offset += segment.length
        if self._running is not None:
            self._running.take(self._data, segment)

    def commit(self) -> int:
        with self._alive, translated():
            self._check()
            if self._length:
                self._end_segment()
            for segment in self._held:
                self._hand_on(segment)
            self._held.clear()
            self._pending.join()
            self._check()
            os.fdatasync(self._journal)
            return self._offset

    def discard(self) -> None:
        with self._alive:
            self._pending.join()
            self._held.clear()
            self._begin_segment()
            self._at = self._offset

    def _check(self) -> None:
        if self._revoked:
            raise UploadLeased("Another connection has taken this upload over.")
        if self._failure is not None:
            raise self._failure

    def revoke(self) -> None:
        """Keep what has arrived, and let nothing more through this writer."""
        with self._alive:
            if not self._revoked:
                try:
                    if not self._hold and self._failure is None:
                        self.commit()
                finally:
                    self._close()

    def _close(self) -> None:
        self._revoked = True
        if self._thread is not None:
            self._pending.put(None)
            self._thread.join()
            self._thread = None
        os.close(self._journal)
        os.close(self._data)  # and with it the lock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._alive:
            if not self._revoked:
                self._close()
