"""What a thread of this process has in hand, so that no other thread does the same again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID


class InHand:
    """A set of identifiers that are being worked on."""

    def __init__(self) -> None:
        self._taken: set[UUID] = set()
        self._guard = threading.Lock()

    @contextmanager
    def take(self, identifier: UUID) -> Iterator[bool]:
        """Whether it was free; it is ours until the block ends."""
        with self._guard:
            free = identifier not in self._taken
            if free:
                self._taken.add(identifier)
        try:
            yield free
        finally:
            if free:
                with self._guard:
                    self._taken.discard(identifier)
