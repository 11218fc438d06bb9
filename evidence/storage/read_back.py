"""Digesting what storage gives back, while more is still arriving or all at once.

A running read-back covers the bytes from 0 to `covered`: each was read from the file after it
was made durable. It lives in this process alone; where it is missing, or does not end where the
journal ends, the rest is read when it is asked for.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from uuid import UUID

from evidence.digests import Digest, Segment
from evidence.errors import OriginalMissing
from evidence.sm3 import new_sm3
from evidence.storage.port import ReadBack

PIECE = 256 * 1024
Area = tuple[
    UUID, int, int
]  # an upload's staging area, not to be taken for a later one of its name
_KEPT = 1024
# SM3 takes as long as all the rest: it is taken while what follows is read and compared.
_beside = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="sm3")


class RunningReadBack:
    """The whole's digests so far, and the segments that did not come back as they arrived."""

    def __init__(self, *, sm3: bool = False) -> None:
        self.covered = 0
        self.index = 0
        self.differing: list[int] = []
        self.broken = False
        self._whole = hashlib.sha256()
        self._sm3 = new_sm3() if sm3 else None
        self._waited: Future[None] | None = None  # for the SM3 of a piece that was read before
        self._found = self._spare = bytearray()
        self._lock = threading.Lock()

    def copy(self) -> RunningReadBack:
        """A twin to go on from; waits for a segment that is being read or digested."""
        twin = RunningReadBack()
        with self._lock:
            self._settle()
            twin.covered, twin.index, twin.broken = self.covered, self.index, self.broken
            twin.differing = list(self.differing)
            twin._whole = self._whole.copy()
            twin._sm3 = self._sm3.copy() if self._sm3 else None
        return twin

    def take(
        self, handle: int, segment: Segment, received: bytearray | None = None
    ) -> Future[None] | None:
        """Read the next segment back from `handle`, and compare it with what was received.

        `received` begins with the segment's bytes where they are still in memory; without them
        its digest is compared. It must stay as it is until what is returned is done. Raises
        OriginalMissing where bytes lack; the state is broken then.
        """
        with self._lock:
            end = self.covered + segment.length
            intact = True
            try:
                if received is None:
                    intact = self._digest(handle, self.covered, end) == segment.sha256
                else:
                    view = memoryview(received)[: segment.length]
                    intact = self._compare(handle, self.covered, view)
                    self._sm3_of(handle, self.covered, view if intact else None, end)
            except BaseException:
                self.broken = True
                raise
            finally:
                if received is None:
                    self._settle()
                self._found = self._spare = bytearray()
            if not intact:
                self.differing.append(self.index)
            self.covered = end
            self.index += 1
            return self._waited

    def _digest(self, handle: int, at: int, end: int) -> bytes:
        digest = hashlib.sha256()
        for piece in self._pieces(handle, at, end):
            self._begin_sm3(piece)
            self._whole.update(piece)
            digest.update(piece)
        return digest.digest()

    def _compare(self, handle: int, at: int, received: memoryview) -> bool:
        intact, seen = True, 0
        for piece in self._pieces(handle, at, at + len(received)):
            self._whole.update(piece)
            expected = received[seen : seen + len(piece)]
            # A bytearray and a view are compared by memcmp; two views, byte by byte in Python.
            intact = intact and self._found == expected
            seen += len(piece)
        return intact

    def _pieces(self, handle: int, at: int, end: int) -> Iterator[memoryview]:
        """What the file holds from `at` to `end`; two pieces are valid at a time."""
        while at < end:
            if len(self._found) != min(PIECE, end - at):
                self._found = bytearray(min(PIECE, end - at))
            got = os.preadv(handle, [self._found], at)
            if not got:
                raise OriginalMissing("The staged bytes end before their journal does.")
            if got < len(self._found):
                self._found = self._found[:got]
            yield memoryview(self._found)
            at += got
            self._found, self._spare = self._spare, self._found

    def _sm3_of(self, handle: int, at: int, intact: memoryview | None, end: int) -> None:
        """Of a segment that came back as it was received, or of what came back instead."""
        if intact is not None:
            self._begin_sm3(intact)
        elif self._sm3:
            for piece in self._pieces(handle, at, end):
                self._begin_sm3(piece)
            self._settle()

    def _begin_sm3(self, piece: memoryview) -> None:
        self._settle()
        if self._sm3:
            self._waited = _beside.submit(self._sm3.update, piece)

    def _settle(self) -> None:
        if self._waited:
            self._waited.result()
            self._waited = None

    def settle(self) -> None:
        """Wait until nothing that was given to take() is needed any more."""
        with self._lock:
            self._settle()

    def result(self, segments: Sequence[Segment]) -> ReadBack:
        return ReadBack(
            size=self.covered,
            sha256=Digest(algorithm="sha256", value=self._whole.digest()),
            sm3=Digest.sm3(self._sm3.digest()) if self._sm3 else None,
            segments=segments,
            differing=tuple(self.differing),
        )


class RunningReadBacks:
    """Those of this process, the longest unused forgotten first."""

    def __init__(self, *, sm3: bool = False) -> None:
        self._sm3 = sm3
        self._lock = threading.Lock()
        self._running: OrderedDict[Area, RunningReadBack] = OrderedDict()

    def up_to(self, area: Area, offset: int) -> RunningReadBack | None:
        """The one that covers exactly [0, offset), or none; at 0 a new one."""
        with self._lock:
            found = self._running.get(area)
            if offset == 0:
                found = self._running[area] = RunningReadBack(sm3=self._sm3)
            if found is None or found.covered != offset or found.broken:
                return None
            self._running.move_to_end(area)
            while len(self._running) > _KEPT:
                self._running.popitem(last=False)
            return found

    def within(self, area: Area, offset: int) -> RunningReadBack:
        """A copy to go on from: of what is covered within the journal, or of nothing."""
        with self._lock:
            found = self._running.get(area)
        if found is not None:
            twin = found.copy()
            if not twin.broken and twin.covered <= offset:
                return twin
        return RunningReadBack(sm3=self._sm3)

    def forget(self, area: Area) -> None:
        with self._lock:
            self._running.pop(area, None)
