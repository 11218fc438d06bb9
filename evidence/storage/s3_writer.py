"""One writer on one upload of an S3 service.

Bytes are spooled a part at a time and sent by a few threads while the next part arrives: memory
stays small, however many writers there are. A part counts once the journal names it. A late part of
a writer that has lost its lease can replace no part of its successor's: whoever takes a lease over
leaves out the numbers that may be on their way.
"""

from __future__ import annotations

import base64
import hashlib
import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self
from uuid import UUID

from evidence.digests import SEGMENT_BYTES, Segment
from evidence.errors import (
    StorageError,
    StorageFull,
    StorageUnavailable,
    UploadComplete,
    UploadGone,
    UploadLeased,
)
from evidence.storage.s3_bucket import Bucket, translated
from evidence.storage.s3_journal import Journal, Part
from evidence.storage.s3_spool import Spool

# A connection that brought nothing for so long has lost its right to the next writer.
SILENT_SECONDS = 10.0
_RENEW_SECONDS = 3.0
# The service wants this of every part but the last.
SMALLEST_PART = 5 * 1024 * 1024
_MOST_PARTS = 10_000
_AT_ONCE = 4  # parts of one writer on their way
UNNAMED = 8  # parts that may have been sent without standing in the journal


def journal_key(upload_id: UUID) -> str:
    return f"staging/{upload_id}/journal"


def data_key(upload_id: UUID) -> str:
    return f"data/{upload_id}"


def part_size(number: int) -> int:
    """8 MiB, twice as much after every thousand parts: 10,000 of them hold any recording."""
    return SEGMENT_BYTES << (number // 1000)


def read_journal(bucket: Bucket, upload_id: UUID) -> tuple[Journal, str, float]:
    """The journal, its ETag, and its age in seconds. Raises UploadGone.

    What somebody has begun to remove is gone: its bytes may be.
    """
    journal, etag, age = read_any_journal(bucket, upload_id)
    if journal.removed:
        raise UploadGone()
    return journal, etag, age


def read_any_journal(bucket: Bucket, upload_id: UUID) -> tuple[Journal, str, float]:
    """The same, also of what is being removed."""
    kept = bucket.get(journal_key(upload_id))
    if kept is None:
        raise UploadGone()
    return Journal.read(kept.content), kept.etag, kept.age


def checksum(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


class S3Writer:
    """Its calls come from one thread."""

    def __init__(
        self,
        bucket: Bucket,
        upload_id: UUID,
        senders: ThreadPoolExecutor,
        folder: Path,
        *,
        hold: bool,
        silent_seconds: float,
    ) -> None:
        self._bucket, self._id, self._senders = bucket, upload_id, senders
        self._folder, self._hold = folder, hold
        self._journal, self._etag, age = read_journal(bucket, upload_id)
        if self._journal.filed:
            raise UploadComplete()
        if self._journal.open and age < silent_seconds:
            raise UploadLeased()
        beyond = self._journal.numbers + (UNNAMED if self._journal.open else 0)
        self._number = beyond
        self._sent: list[tuple[Future[Part], bool]] = []  # not in the journal yet
        self._held: list[Spool] = []
        self._tails = 0
        self._spool = self._begin_part()
        self._begin_segment()
        try:
            # Before the lease: whoever finds no room here keeps nobody else waiting. The swap fails
            # where the tail is no longer what was read.
            self._load_tail()
            self._swap(self._journal.but(nonce=os.urandom(8).hex(), open=True, numbers=beyond))
        except BaseException:
            self._spool.close()
            raise

    @property
    def offset(self) -> int:
        return self._journal.offset

    def _swap(self, wanted: Journal) -> None:
        """Raises UploadLeased where another writer has taken over."""
        etag = self._bucket.swap(journal_key(self._id), wanted.written(), self._etag)
        if etag is None:
            raise UploadLeased("Another connection has taken this upload over.")
        self._journal, self._etag, self._swapped = wanted, etag, time.monotonic()

    def _begin_part(self) -> Spool:
        # What is held back may be a whole request: it would have all the memory there is.
        return Spool(self._folder, in_memory=not self._hold)

    def _begin_segment(self) -> None:
        self._digest = hashlib.sha256()
        self._length = 0

    def _load_tail(self) -> None:
        """What is durable but too short for a part is the beginning of the next."""
        if not self._journal.tail:
            return
        kept = self._bucket.get(self._journal.tail)
        if kept is None or len(kept.content) != self._journal.tail_length:
            raise StorageUnavailable("The storage service has lost the end of this upload.")
        self._spool.put(kept.content)
        self._spool.segments = list(self._journal.tail_segments)
        self._spool.holds_tail = True

    def write(self, chunk: bytes | memoryview) -> None:
        if self._journal.completed:
            raise UploadComplete()
        if not self._journal.open:
            self._swap(self._journal.but(open=True))
        view = memoryview(chunk)
        while view:
            piece = view[: SEGMENT_BYTES - self._length]
            self._spool.put(piece)
            self._digest.update(piece)
            self._length += len(piece)
            view = view[len(piece) :]
            if self._length == SEGMENT_BYTES:
                self._end_segment()
                if self._spool.size >= part_size(self._number + len(self._held)):
                    self._end_part()
        if time.monotonic() - self._swapped > _RENEW_SECONDS:
            self._name_sent()

    def _end_segment(self) -> None:
        if self._length:
            self._spool.segments.append(Segment(self._length, self._digest.digest()))
            self._begin_segment()

    def _end_part(self) -> None:
        ended, self._spool = self._spool, self._begin_part()
        if self._hold:
            self._held.append(ended)
        else:
            self._send(ended)

    def _send(self, spool: Spool) -> None:
        try:
            self._make_way()
            multipart = self._journal.multipart
            sent = self._senders.submit(
                _send_part, self._bucket, self._id, multipart, self._number, spool
            )
        except BaseException:
            spool.close()
            raise
        self._sent.append((sent, spool.holds_tail))

    def _make_way(self) -> None:
        """Wait until another part may be sent, and take its number."""
        if len(self._sent) >= UNNAMED:
            self._name_sent(wait_for=1)
        under_way = [sent for sent, _ in self._sent if not sent.done()]
        if len(under_way) >= _AT_ONCE:
            _result(under_way[0])
        self._number += 1
        if self._number > _MOST_PARTS:
            raise StorageFull("This upload has too many parts for the storage service.")

    def _name_sent(self, wait_for: int = 0) -> None:
        """Put into the journal what has arrived there, in order; wait for the first `wait_for`."""
        parts, tail = list(self._journal.parts), self._journal.tail
        tail_segments = self._journal.tail_segments
        while self._sent and (wait_for > 0 or self._sent[0][0].done()):
            sent, held_tail = self._sent[0]
            parts.append(_result(sent))
            if held_tail:
                tail, tail_segments = "", ()
            self._sent.pop(0)
            wait_for -= 1
        self._swap(
            self._journal.but(
                parts=tuple(parts),
                tail=tail,
                tail_segments=tail_segments,
                numbers=max((part.number for part in parts), default=self._journal.numbers),
            )
        )

    def commit(self) -> int:
        self._end_segment()
        held, self._held = self._held, []
        for spool in held:
            self._send(spool)
        if self._spool.size >= SMALLEST_PART:
            ended, self._spool = self._spool, self._begin_part()
            self._send(ended)
        old, parts = self._journal.tail, list(self._journal.parts)
        parts += [_result(sent) for sent, _ in self._sent]
        tail = self._keep_tail()
        if not self._sent and tail == old and not self._journal.open:
            return self.offset
        self._swap(
            self._journal.but(
                parts=tuple(parts),
                tail=tail,
                tail_segments=tuple(self._spool.segments),
                numbers=max((part.number for part in parts), default=self._journal.numbers),
                open=False,
            )
        )
        self._sent.clear()
        self._spool.holds_tail = bool(tail)
        if old and old != tail:
            with suppress(StorageError):
                self._bucket.delete(old)
        return self.offset

    def _keep_tail(self) -> str:
        """Make what is too short for a part durable; the name of its object."""
        if not self._spool.segments:
            return ""
        if self._spool.holds_tail and len(self._spool.segments) == len(self._journal.tail_segments):
            return self._journal.tail
        self._tails += 1
        name = f"staging/{self._id}/tail-{self._journal.nonce}-{self._tails}"
        self._bucket.put(name, self._spool.content())
        return name

    def discard(self) -> None:
        for sent, _ in self._sent:
            sent.exception()  # whatever has arrived is named by no journal
        self._sent.clear()
        for spool in (*self._held, self._spool):
            spool.close()
        self._held.clear()
        self._spool = self._begin_part()
        self._begin_segment()
        self._load_tail()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for spool in (*self._held, self._spool):
            spool.close()
        for sent, _ in self._sent:
            sent.exception()
        # Whoever cannot close it, or has lost it, leaves it to its time.
        with suppress(StorageError, UploadLeased):
            while self._sent and self._sent[-1][0].exception():
                self._sent.pop()
            if self._journal.open:
                self._journal = self._journal.but(open=False)
                self._name_sent()


def _result(sent: Future[Part]) -> Part:
    return sent.result()


def _send_part(bucket: Bucket, upload_id: UUID, multipart: str, number: int, spool: Spool) -> Part:
    with closing(spool):
        return send_part(
            bucket,
            upload_id,
            multipart,
            number=number,
            body=spool.body(),
            digest=spool.sha256(),
            segments=tuple(spool.segments),
        )


def send_part(
    bucket: Bucket,
    upload_id: UUID,
    multipart: str,
    *,
    number: int,
    body: BinaryIO | bytes | bytearray,
    digest: bytes,
    segments: tuple[Segment, ...],
) -> Part:
    """Have the service take a part, which it refuses unless it has `digest`."""
    with translated():
        answer = bucket.client.upload_part(
            **bucket.at(data_key(upload_id)),
            UploadId=multipart,
            PartNumber=number,
            Body=body,
            ChecksumSHA256=checksum(digest),
        )
    return Part(number, answer["ETag"], checksum(digest), segments)
