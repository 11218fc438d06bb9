"""What goes on behind a writer, in two threads and in order.

data → fdatasync → journal record → read back. A crash in between leaves bytes that no record
names, and the next writer goes on before them. The journal itself is synced by `settle`, before
an offset is acknowledged.

One thread waits for the disk while the other digests: neither waits for its turn. What was received
and kept in memory is digested by a third meanwhile, so that the writer only receives. What is on
its way is bounded, and so is memory.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

from evidence.digests import Segment
from evidence.errors import EvidenceError, StorageFull
from evidence.storage import journal
from evidence.storage.buffers import BUFFERS
from evidence.storage.durable import refusal
from evidence.storage.read_back import RunningReadBack

_WAITING = 1  # segments before each of the two threads, beside the one in it


_digesting = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="segment")


class Arrived:
    """A segment as it was received: its digest, or its bytes, of which it is taken in a thread."""

    def __init__(self, length: int, received: bytearray | None, sha256: bytes = b"") -> None:
        self.length, self.received, self._sha256 = length, received, sha256
        self._digested: Future[bytes] | None = None
        if received is not None:
            self._digested = _digesting.submit(_sha256, memoryview(received)[:length])

    @property
    def segment(self) -> Segment:
        """Waits for its digest."""
        if self._digested is not None:
            self._sha256 = self._digested.result()
        return Segment(self.length, self._sha256)

    def forget(self) -> None:
        if self.received is not None:
            wait([self._digested] if self._digested else [])
            BUFFERS.give_back(self.received)
            self.received = None


def _sha256(content: memoryview) -> bytes:
    return hashlib.sha256(content).digest()


class _Stage:
    """A thread that takes segments in order, and what it does with each."""

    def __init__(self, name: str, act: Callable[[Arrived], None]) -> None:
        self._act = act
        self.queue: queue.Queue[Arrived | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (arrived := self.queue.get()) is not None:
            self._act(arrived)
            self.queue.task_done()
        self.queue.task_done()

    def end(self) -> None:
        self.queue.put(None)
        self._thread.join()


class Follower:
    """Follows one writer, whose calls come from one thread at a time."""

    def __init__(self, data: int, book: int, offset: int, running: RunningReadBack | None) -> None:
        self._data, self._book = data, book
        self.offset = offset  # durable
        self._running = running
        self._failure: EvidenceError | None = None
        self._stages: tuple[_Stage, _Stage] | None = None

    def hand_on(self, arrived: Arrived) -> None:
        """Take the next segment; waits while too many are on their way."""
        if self._stages is None:
            reading = _Stage("read-back", self._read_back)
            self._stages = (_Stage("durable", self._make_durable), reading)
        self._stages[0].queue.put(arrived)

    def check(self) -> None:
        """Raise what went wrong behind the writer's back."""
        if self._failure is not None:
            raise self._failure

    @property
    def failed(self) -> bool:
        return self._failure is not None

    def settle(self) -> int:
        """Wait until every segment and its record are on stable storage; the new offset."""
        self.wait()
        self.check()
        os.fdatasync(self._book)
        return self.offset

    def wait(self) -> None:
        for stage in self._stages or ():
            stage.queue.join()

    def close(self) -> None:
        for stage in self._stages or ():
            stage.end()
        self._stages = None
        if self._running is not None:
            self._running.settle()

    def _make_durable(self, arrived: Arrived) -> None:
        if self._attempt(self._sync_and_note, arrived) and self._running and self._stages:
            self._stages[1].queue.put(arrived)
        else:
            arrived.forget()

    def _sync_and_note(self, arrived: Arrived) -> None:
        os.fdatasync(self._data)
        note = journal.record(self.offset, arrived.segment)
        if os.write(self._book, note) != len(note):
            raise StorageFull()  # the torn record is cut by the next writer
        self.offset += arrived.length

    def _read_back(self, arrived: Arrived) -> None:
        if not self._attempt(self._compare, arrived):
            arrived.forget()

    def _compare(self, arrived: Arrived) -> None:
        """Its bytes are needed until their SM3 is taken, while what follows is read back."""
        digesting = None
        if self._running is not None:
            digesting = self._running.take(self._data, arrived.segment, arrived.received)
        if digesting is None:
            arrived.forget()
        else:
            digesting.add_done_callback(lambda _: arrived.forget())

    def _attempt(self, act: Callable[[Arrived], None], arrived: Arrived) -> bool:
        """Do it unless something failed before; whether it was done."""
        if self._failure is None:
            try:
                act(arrived)
            except OSError as error:
                self._failure = refusal(error)
            except EvidenceError as error:
                self._failure = error
        return self._failure is None
