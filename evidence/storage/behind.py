"""What goes on behind a writer: durable, noted in the journal, read back; in order, in a thread.

Order: data → fdatasync → journal record → read back. A crash in between leaves bytes that no
record names, and the next writer goes on before them. The journal itself is synced by
`settle`, before an offset is acknowledged.
"""

from __future__ import annotations

import os
import queue
import threading
from dataclasses import dataclass

from evidence.digests import SEGMENT_BYTES, Segment
from evidence.errors import EvidenceError, StorageFull
from evidence.storage import journal
from evidence.storage.durable import refusal
from evidence.storage.read_back import RunningReadBack

_WAITING = 2  # segments between the writer and the disk, beside the one on its way


class Allowance:
    """How many bytes all writers of a process may keep in memory to compare with the read-back."""

    def __init__(self, left: int) -> None:
        self._left = left
        self._lock = threading.Lock()

    def take(self, amount: int) -> bool:
        with self._lock:
            if self._left < amount:
                return False
            self._left -= amount
            return True

    def give_back(self, amount: int) -> None:
        with self._lock:
            self._left += amount


# Whoever finds it used up has its segments digested a second time instead of compared.
KEPT_IN_MEMORY = Allowance(6 * SEGMENT_BYTES)


@dataclass(slots=True)
class Arrived:
    """A segment as it was received; its bytes too, where they were allowed to stay in memory."""

    segment: Segment
    received: list[bytes] | None

    def forget(self) -> None:
        if self.received is not None:
            self.received = None
            KEPT_IN_MEMORY.give_back(SEGMENT_BYTES)


class Follower:
    """Follows one writer. Its calls come from one thread at a time."""

    def __init__(self, data: int, book: int, offset: int, running: RunningReadBack | None) -> None:
        self._data, self._book = data, book
        self.offset = offset  # durable
        self._running = running
        self._failure: EvidenceError | None = None
        self._pending: queue.Queue[Arrived | None] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None

    def hand_on(self, arrived: Arrived) -> None:
        """Take the next segment; waits while too many are on their way."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="staging", daemon=True)
            self._thread.start()
        self._pending.put(arrived)

    def check(self) -> None:
        """Raise what went wrong behind the writer's back."""
        if self._failure is not None:
            raise self._failure

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def settle(self) -> int:
        """Wait until every segment and its record are on stable storage; the new offset."""
        self._pending.join()
        self.check()
        os.fdatasync(self._book)
        return self.offset

    def wait(self) -> None:
        self._pending.join()

    def close(self) -> None:
        if self._thread is not None:
            self._pending.put(None)
            self._thread.join()
            self._thread = None

    def _follow(self) -> None:
        while (arrived := self._pending.get()) is not None:
            try:
                if self._failure is None:
                    self._make_durable(arrived)
            except OSError as error:
                self._failure = refusal(error)
            except EvidenceError as error:
                self._failure = error
            finally:
                arrived.forget()
                self._pending.task_done()
        self._pending.task_done()

    def _make_durable(self, arrived: Arrived) -> None:
        os.fdatasync(self._data)
        note = journal.record(self.offset, arrived.segment)
        if os.write(self._book, note) != len(note):
            raise StorageFull()  # the torn record is cut by the next writer
        self.offset += arrived.segment.length
        if self._running is not None:
            self._running.take(self._data, arrived.segment, arrived.received)
