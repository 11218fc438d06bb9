"""Memory for what has just arrived, bounded for all writers of a process together."""

from __future__ import annotations

import threading

from evidence.digests import SEGMENT_BYTES


class Buffers:
    """Room for the received bytes of a few segments, shared by all writers of a process.

    Whoever finds none left does without: a disk's writer has its segments digested a second time
    instead of compared, a service's spools them in a file.
    """

    def __init__(self, most: int) -> None:
        self._free: list[bytearray] = []
        self._left = most
        self._lock = threading.Lock()

    def borrow(self) -> bytearray | None:
        with self._lock:
            if self._free:
                return self._free.pop()
            if not self._left:
                return None
            self._left -= 1
        return bytearray(SEGMENT_BYTES)

    def give_back(self, buffer: bytearray) -> None:
        with self._lock:
            self._free.append(buffer)


BUFFERS = Buffers(6)
