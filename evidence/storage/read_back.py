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
from collections.abc import Sequence
from uuid import UUID

from evidence.digests import Digest, Segment
from evidence.errors import OriginalMissing
from evidence.storage.port import ReadBack

PIECE = 1024 * 1024
_KEPT = 1024


class RunningReadBack:
    """The whole's SHA-256 so far, and the segments that did not come back as they arrived."""

    def __init__(self) -> None:
        self.covered = 0
        self.index = 0
        self.differing: list[int] = []
        self._whole = hashlib.sha256()

    def copy(self) -> RunningReadBack:
        twin = RunningReadBack()
        twin.covered, twin.index = self.covered, self.index
        twin.differing = list(self.differing)
        twin._whole = self._whole.copy()
        return twin

    def take(self, handle: int, segment: Segment) -> None:
        """Read the next segment back from `handle`. Raises OriginalMissing where bytes lack."""
        digest = hashlib.sha256()
        end = self.covered + segment.length
        at = self.covered
        while at < end:
            piece = os.pread(handle, min(PIECE, end - at), at)
            if not piece:
                raise OriginalMissing("The staged bytes end before their journal does.")
            digest.update(piece)
            self._whole.update(piece)
            at += len(piece)
        if digest.digest() != segment.sha256:
            self.differing.append(self.index)
        self.covered = end
        self.index += 1

    def result(self, segments: Sequence[Segment]) -> ReadBack:
        return ReadBack(
            size=self.covered,
            sha256=Digest(algorithm="sha256", value=self._whole.digest()),
            segments=segments,
            differing=tuple(self.differing),
        )


class RunningReadBacks:
    """Those of this process, the longest unused forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: OrderedDict[UUID, RunningReadBack] = OrderedDict()

    def up_to(self, upload_id: UUID, offset: int) -> RunningReadBack | None:
        """The one that covers exactly [0, offset), or none; at 0 a new one."""
        with self._lock:
            found = self._running.get(upload_id)
            if offset == 0:
                found = self._running[upload_id] = RunningReadBack()
            if found is None or found.covered != offset:
                return None
            self._running.move_to_end(upload_id)
            while len(self._running) > _KEPT:
                self._running.popitem(last=False)
            return found

    def within(self, upload_id: UUID, offset: int) -> RunningReadBack:
        """A copy to go on from: of what is covered within the journal, or of nothing."""
        with self._lock:
            found = self._running.get(upload_id)
            return found.copy() if found and found.covered <= offset else RunningReadBack()

    def forget(self, upload_id: UUID) -> None:
        with self._lock:
            self._running.pop(upload_id, None)
