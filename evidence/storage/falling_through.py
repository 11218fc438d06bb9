"""Two stores as one, while the older is moved into the newer.

What is new goes to the newer. What the newer has not is read from the older. An upload stays in
the store where it began until it is filed, which is there too, or gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from evidence.digests import Segment
from evidence.errors import LogForked, OriginalMissing, UploadGone
from evidence.storage import names
from evidence.storage.port import ReadBack, Room, StagingWriter, Store

_T = TypeVar("_T")


class FallingThrough:
    """A Store over `new` and `old`."""

    def __init__(self, new: Store, old: Store) -> None:
        self._new, self._old = new, old

    def _began_in(self, upload_id: UUID) -> Store:
        """The store of a staging area; the newer where neither has it."""
        for store in (self._new, self._old):
            with suppress(UploadGone):
                store.offset(upload_id)
                return store
        return self._new

    def _first(self, ask: Callable[[Store], _T]) -> _T:
        """What the newer answers, or the older where it has not the bytes."""
        try:
            return ask(self._new)
        except OriginalMissing:
            return ask(self._old)

    def create(self, upload_id: UUID, length: int | None) -> None:
        self._began_in(upload_id).create(upload_id, length)

    def declare_length(self, upload_id: UUID, length: int) -> None:
        self._began_in(upload_id).declare_length(upload_id, length)

    def offset(self, upload_id: UUID) -> int:
        return self._began_in(upload_id).offset(upload_id)

    def segments(self, upload_id: UUID) -> list[Segment]:
        return self._began_in(upload_id).segments(upload_id)

    def writer(
        self, upload_id: UUID, *, hold: bool = False
    ) -> AbstractContextManager[StagingWriter]:
        return self._began_in(upload_id).writer(upload_id, hold=hold)

    def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> None:
        stores = {id(store): store for store in map(self._began_in, parts)}
        if len(stores) > 1:
            # No store reads another's staging area. The bytes are still where they came from.
            raise UploadGone(
                "The parts are in two stores since the store was moved. Send it again."
            )
        for store in stores.values():
            store.concatenate(upload_id, parts)

    def read_back(self, upload_id: UUID) -> ReadBack:
        return self._began_in(upload_id).read_back(upload_id)

    def unread(self, upload_id: UUID) -> int:
        return self._began_in(upload_id).unread(upload_id)

    def remove(self, upload_id: UUID) -> None:
        for store in (self._new, self._old):
            store.remove(upload_id)

    def staged(self) -> Iterable[UUID]:
        """Without those by which the older is copied: nobody but the copying removes them."""
        for store in (self._new, self._old):
            yield from (one for one in store.staged() if not names.is_mirroring(one))

    def file(self, upload_id: UUID, read_back: ReadBack) -> None:
        self._began_in(upload_id).file(upload_id, read_back)

    def quarantine(self, upload_id: UUID, exhibit_id: UUID) -> None:
        self._began_in(upload_id).quarantine(upload_id, exhibit_id)

    def read_again(self, sha256: str) -> Iterator[bytes]:
        return self._first(lambda store: store.read_again(sha256))

    def lock_again(self, sha256: str) -> None:
        self._first(lambda store: store.lock_again(sha256))

    def lock_quarantined(self, exhibit_id: UUID) -> None:
        self._first(lambda store: store.lock_quarantined(exhibit_id))

    def set_aside(self, sha256: str, exhibit_id: UUID) -> None:
        # From both: the older one's would be found under that name again; so from that one first.
        for store in (self._old, self._new):
            store.set_aside(sha256, exhibit_id)

    @property
    def abreast(self) -> int:
        return max(self._new.abreast, self._old.abreast)

    def size(self, sha256: str) -> int:
        return self._first(lambda store: store.size(sha256))

    def read(self, sha256: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._first(lambda store: store.read(sha256, start, length))

    def read_quarantined(
        self, exhibit_id: UUID, start: int = 0, length: int | None = None
    ) -> Iterator[bytes]:
        return self._first(lambda store: store.read_quarantined(exhibit_id, start, length))

    def local_path(self, sha256: str) -> AbstractContextManager[Path]:
        def there(store: Store) -> AbstractContextManager[Path]:
            store.size(sha256)
            return store.local_path(sha256)

        return self._first(there)

    def local_name(self, sha256: str) -> str | None:
        return None  # a proxy knows one folder, and the bytes may be in another

    def signed_url(
        self, sha256: str, seconds: int, media_type: str, disposition: str
    ) -> str | None:
        return self._first(lambda store: store.signed_url(sha256, seconds, media_type, disposition))

    def originals(self) -> Iterator[str]:
        return _each_once(self._new.originals(), self._old.originals())

    def quarantined(self) -> Iterator[UUID]:
        return _each_once(self._new.quarantined(), self._old.quarantined())

    def put_derivative(self, content: bytes) -> str:
        return self._new.put_derivative(content)

    def derivative(self, sha256: str) -> bytes:
        return self._first(lambda store: store.derivative(sha256))

    def derivatives(self) -> Iterator[str]:
        return _each_once(self._new.derivatives(), self._old.derivatives())

    def put_tile(self, path: str, content: bytes) -> None:
        if self._old.tile(path) not in (None, content):
            raise LogForked(f"Other content stands at {path} already.")
        self._new.put_tile(path, content)

    def tile(self, path: str) -> bytes | None:
        found = self._new.tile(path)
        return self._old.tile(path) if found is None else found

    def tiles(self, below: str = "") -> Iterator[str]:
        return _each_once(self._new.tiles(below), self._old.tiles(below))

    def room(self) -> Room | None:
        return self._new.room()

    def check(self) -> None:
        self._new.check()
        self._old.check()


def _each_once(*listings: Iterable[_T]) -> Iterator[_T]:
    seen: set[_T] = set()
    for listing in listings:
        for name in listing:
            if name not in seen:
                seen.add(name)
                yield name
