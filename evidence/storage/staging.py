"""Staging on a disk: a folder an upload, with its bytes and the journal that says which count.

While one segment arrives, a thread makes the one before durable and reads it back, so that the
last byte of a recording is hardly waited for.

Fencing: whoever writes holds an flock on the data file; filing takes it too, and a file that has
been filed takes no writer any more. The kernel frees the lock when the process dies, however it
dies.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from evidence.digests import SEGMENT_BYTES
from evidence.errors import UploadComplete, UploadGone, UploadLeased
from evidence.storage import journal
from evidence.storage.behind import Arrived, Follower
from evidence.storage.buffers import BUFFERS
from evidence.storage.durable import translated
from evidence.storage.read_back import RunningReadBack

# A connection that brought nothing for so long has lost its right to the next writer.
SILENT_SECONDS = 10.0


def lock(handle: int, patience: float = 0.0) -> None:
    """Take the data file for oneself, waiting `patience` seconds for it. Raises UploadLeased."""
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                raise UploadLeased() from None
        else:
            return
        time.sleep(0.005)


def filed(handle: int) -> bool:
    """Whether the bytes have a second name, among the originals or in quarantine."""
    return os.fstat(handle).st_nlink > 1


def _open(folder: Path) -> tuple[int, int]:
    """The data file, locked, and its journal. Raises UploadGone, UploadLeased, UploadComplete."""
    try:
        data = os.open(folder / "data", os.O_RDWR)
    except FileNotFoundError:
        raise UploadGone() from None
    except PermissionError:
        raise UploadComplete() from None  # read-only: it was filed
    try:
        lock(data)
        if filed(data):
            raise UploadComplete()
        return data, os.open(folder / "journal", os.O_RDWR | os.O_APPEND)
    except FileNotFoundError:
        os.close(data)
        raise UploadGone() from None
    except BaseException:
        os.close(data)
        raise


class FileWriter:
    """One writer on one staging area. Its calls come from one thread; revoke() from any.

    `reserve(handle, end)` makes room up to `end` bytes where the length was not known before.
    """

    def __init__(
        self,
        folder: Path,
        running_from: Callable[[int], RunningReadBack | None],
        reserve: Callable[[int, int], int],
        *,
        hold: bool,
    ) -> None:
        self._hold = hold
        self._reserve = reserve
        self._alive = threading.RLock()  # held while bytes are touched: revoke() waits for it
        self._revoked = False
        self._data, self._journal = _open(folder)
        segments = journal.parse(journal.read_whole(self._journal))
        # A torn tail is cut here, before anything can be appended behind it.
        os.ftruncate(self._journal, len(segments) * journal.RECORD_BYTES)
        self._at = journal.end(segments)
        self._room = os.fstat(self._data).st_size
        self._behind = Follower(self._data, self._journal, self._at, running_from(self._at))
        self._held: list[Arrived] = []
        self._received: bytearray | None = None
        self._begin_segment()
        self._seen = time.monotonic()

    @property
    def offset(self) -> int:
        return self._behind.offset

    @property
    def silent_for(self) -> float:
        """Seconds since the last byte."""
        return time.monotonic() - self._seen

    def _begin_segment(self) -> None:
        self._digest = hashlib.sha256()
        self._length = 0

    def write(self, chunk: bytes | memoryview) -> None:
        with self._alive, translated():
            self._check()
            self._seen = time.monotonic()
            view = memoryview(chunk)
            while view:
                if not self._length and not self._hold:
                    self._received = BUFFERS.borrow()
                part = view[: SEGMENT_BYTES - self._length]
                self._put(part)
                if self._received is not None:
                    self._received[self._length : self._length + len(part)] = part
                else:
                    self._digest.update(part)
                self._length += len(part)
                view = view[len(part) :]
                if self._length == SEGMENT_BYTES:
                    self._end_segment()
            self._seen = time.monotonic()

    def _put(self, view: memoryview) -> None:
        if self._at + len(view) > self._room:
            self._room = self._reserve(self._data, self._at + len(view))
        while view:
            written = os.pwrite(self._data, view, self._at)
            self._at += written
            view = view[written:]

    def _end_segment(self) -> None:
        arrived = Arrived(self._length, self._received, self._digest.digest())
        self._received = None
        self._begin_segment()
        if self._hold:
            self._held.append(arrived)
        else:
            self._behind.hand_on(arrived)

    def commit(self) -> int:
        with self._alive, translated():
            self._check()
            if self._length:
                self._end_segment()
            for arrived in self._held:
                self._behind.hand_on(arrived)
            self._held.clear()
            return self._behind.settle()

    def discard(self) -> None:
        with self._alive:
            self._check_right()
            self._behind.wait()
            self._forget()
            self._at = self._behind.offset

    def _forget(self) -> None:
        self._held.clear()
        if self._received is not None:
            BUFFERS.give_back(self._received)
            self._received = None
        self._begin_segment()

    def _check(self) -> None:
        self._check_right()
        self._behind.check()

    def _check_right(self) -> None:
        if self._revoked:
            raise UploadLeased("Another connection has taken this upload over.")

    def revoke(self) -> None:
        """Keep what has arrived, and let nothing more through this writer."""
        with self._alive:
            if not self._revoked:
                try:
                    if not self._hold and not self._behind.failed:
                        self.commit()
                finally:
                    self._close()

    def _close(self) -> None:
        self._revoked = True
        self._behind.close()
        self._forget()
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
