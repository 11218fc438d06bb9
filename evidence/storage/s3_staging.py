"""Staging on an S3 service: an upload is a multipart upload and its journal.

data/<upload>                       the bytes, one multipart upload
staging/<upload>/{journal,tail-…}   how far it has come (evidence/storage/s3_journal.py)
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from evidence.digests import Digest, Segment
from evidence.errors import StorageUnavailable, UploadGone, UploadLeased
from evidence.sm3 import new_sm3
from evidence.storage.durable import make_folder
from evidence.storage.durable import translated as on_disk
from evidence.storage.port import ReadBack, StagingWriter
from evidence.storage.s3_bucket import Bucket, translated
from evidence.storage.s3_journal import Journal, Part
from evidence.storage.s3_writer import (
    UNNAMED,
    S3Writer,
    data_key,
    journal_key,
    read_any_journal,
    read_journal,
    send_part,
)

# How long filing waits for a writer to end.
_PATIENCE_SECONDS = 2.0
_SENDERS = 16  # parts on their way, of all writers of a process


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a name in the bucket stands for: the data, its version where there are any, its size."""

    key: str
    version: str
    size: int

    def written(self) -> bytes:
        said = {"data": self.key, "version": self.version, "size": self.size}
        return json.dumps(said, sort_keys=True).encode()

    @classmethod
    def read(cls, content: bytes) -> Self:
        said = json.loads(content)
        return cls(said["data"], said["version"], said["size"])


class S3Staging:
    """A StagingArea in the bucket that `url` names; `folder` takes what is on its way."""

    def __init__(
        self, url: str, folder: Path, *, sm3: bool, silent_seconds: float, attempts: int
    ) -> None:
        self.bucket = Bucket(url, attempts)
        self._folder, self._sm3, self._silent = folder, sm3, silent_seconds
        self._senders = ThreadPoolExecutor(_SENDERS, thread_name_prefix="s3-part")
        self._digesting = ThreadPoolExecutor(4, thread_name_prefix="s3-digest")
        with on_disk():
            make_folder(folder)

    def create(self, upload_id: UUID, length: int | None) -> None:
        if kept := self.bucket.get(journal_key(upload_id)):
            if not Journal.read(kept.content).removed:
                return
            self.remove(upload_id)  # a removal was cut off before its end
        where = self.bucket.at(data_key(upload_id))
        with translated():
            made = self.bucket.client.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
        journal = Journal(multipart=made["UploadId"], length=length)
        if not self.bucket.put_new(journal_key(upload_id), journal.written()):
            self._abort(upload_id, journal)  # somebody else was first

    def _abort(self, upload_id: UUID, journal: Journal) -> None:
        with suppress(StorageUnavailable), translated():
            self.bucket.client.abort_multipart_upload(
                **self.bucket.at(data_key(upload_id)), UploadId=journal.multipart
            )

    def declare_length(self, upload_id: UUID, length: int) -> None:
        self.note(upload_id, length=length)

    def note(self, upload_id: UUID, **changes: Any) -> Journal:
        """Change the journal, whoever else has it open, but for what others have changed.

        Raises UploadGone, also where somebody is removing it.
        """
        while True:
            read = read_any_journal if "removed" in changes else read_journal
            journal, etag, _ = read(self.bucket, upload_id)
            wanted = journal.but(**changes)
            if wanted == journal or self.bucket.swap(
                journal_key(upload_id), wanted.written(), etag
            ):
                return wanted

    def offset(self, upload_id: UUID) -> int:
        return read_journal(self.bucket, upload_id)[0].offset

    def segments(self, upload_id: UUID) -> list[Segment]:
        return read_journal(self.bucket, upload_id)[0].segments

    @contextmanager
    def writer(self, upload_id: UUID, *, hold: bool = False) -> Iterator[StagingWriter]:
        with S3Writer(
            self.bucket,
            upload_id,
            self._senders,
            self._folder,
            hold=hold,
            silent_seconds=self._silent,
        ) as writer:
            yield writer

    def concatenate(self, upload_id: UUID, parts: Sequence[UUID]) -> None:
        finished = [self.completed(part) for part in parts]
        total = sum(journal.offset for journal in finished)
        with suppress(UploadGone):
            if self.offset(upload_id) == total:
                return  # a retry: it is whole already
            self.remove(upload_id)
        self.create(upload_id, total)
        with self.writer(upload_id) as writer:
            for part, journal in zip(parts, finished, strict=True):
                pieces = self.bucket.pieces(data_key(part), journal.version, 0, journal.offset)
                for piece in pieces:
                    writer.write(piece)
            writer.commit()

    def completed(self, upload_id: UUID) -> Journal:
        """The journal of an upload whose data stands there as one object. Raises UploadLeased."""
        while True:
            journal, etag, _ = read_journal(self.bucket, upload_id)
            if journal.completed:
                return journal
            if journal.open:
                self.require_no_writer(upload_id)
            version = self._complete(upload_id, journal)
            done = journal.but(completed=True, open=False, version=version)
            if self.bucket.swap(journal_key(upload_id), done.written(), etag):
                return done
            # Another has completed it at the same time, or has looked in without writing.

    def _complete(self, upload_id: UUID, journal: Journal) -> str:
        """Make one object of the parts and the tail; its version. Doing it again is harmless."""
        parts, where = list(journal.parts), self.bucket.at(data_key(upload_id))
        try:
            with translated():
                if journal.tail:
                    parts.append(self._send_tail(upload_id, journal))
                if not parts:
                    made = self.bucket.client.put_object(**where, Body=b"")
                    self._abort(upload_id, journal)
                else:
                    listed = [
                        {"PartNumber": p.number, "ETag": p.etag, "ChecksumSHA256": p.sha256}
                        for p in parts
                    ]
                    made = self.bucket.client.complete_multipart_upload(
                        **where, UploadId=journal.multipart, MultipartUpload={"Parts": listed}
                    )
                return str(made.get("VersionId") or "")
        except StorageUnavailable:
            # Done before, and the answer lost?
            there = self.bucket.head(data_key(upload_id))
            if there is None or there["ContentLength"] != journal.offset:
                raise
            return str(there.get("VersionId") or "")

    def _send_tail(self, upload_id: UUID, journal: Journal) -> Part:
        kept = self.bucket.get(journal.tail)
        if kept is None:
            raise StorageUnavailable("The storage service has lost the end of this upload.")
        number = journal.numbers + 1 + (UNNAMED if journal.open else 0)
        digest = hashlib.sha256(kept.content).digest()
        return send_part(
            self.bucket,
            upload_id,
            journal.multipart,
            number=number,
            body=kept.content,
            digest=digest,
            segments=journal.tail_segments,
        )

    def read_back(self, upload_id: UUID) -> ReadBack:
        journal = self.completed(upload_id)
        segments, size = journal.segments, journal.offset
        whole, sm3 = hashlib.sha256(), new_sm3() if self._sm3 else None
        one, differing, index, left = hashlib.sha256(), list[int](), 0, 0
        if segments:
            left = segments[0].length
        # A piece is digested while the next one is on its way.
        digesting = list[Future[None]]()
        for piece in self.bucket.pieces(data_key(upload_id), journal.version, 0, size):
            _settle(digesting)
            digesting = [self._digesting.submit(d.update, piece) for d in (whole, sm3) if d]
            view = memoryview(piece)
            while view:
                one.update(view[:left])
                taken = min(left, len(view))
                view, left = view[taken:], left - taken
                if not left:
                    if one.digest() != segments[index].sha256:
                        differing.append(index)
                    index, one = index + 1, hashlib.sha256()
                    left = segments[index].length if index < len(segments) else 0
        _settle(digesting)
        return ReadBack(
            size=size,
            sha256=Digest(algorithm="sha256", value=whole.digest()),
            sm3=Digest.sm3(sm3.digest()) if sm3 else None,
            segments=segments,
            differing=tuple(differing),
        )

    def unread(self, upload_id: UUID) -> int:
        return self.offset(upload_id)

    def remove(self, upload_id: UUID) -> None:
        """The data goes too, unless it was filed; where that is in doubt, it stays."""
        with suppress(UploadGone):
            journal, _, _ = read_any_journal(self.bucket, upload_id)
            if not journal.completed:
                self._abort(upload_id, journal)
            elif not journal.filed:
                # Whoever files it on another machine just now is too late, or is seen here.
                journal = self.note(upload_id, removed=True)
            # Not by what stands under its name now: these bytes may be in quarantine since.
            if journal.completed and (not journal.filed or journal.surplus):
                self.bucket.delete_all(data_key(upload_id))
        # The journal goes last: until then, the area is there and can be removed again.
        self.bucket.delete_all(f"staging/{upload_id}/tail-")
        self.bucket.delete_all(f"staging/{upload_id}/")

    def staged(self) -> Iterator[UUID]:
        found = dict.fromkeys(key.partition("/")[0] for key in self.bucket.names("staging/"))
        for name in found:
            with suppress(ValueError):
                yield UUID(name)

    def close(self) -> None:
        """Let go of the connections; nothing is asked afterwards."""
        self._senders.shutdown()
        self._digesting.shutdown()
        self.bucket.client.close()

    def pointer(self, name: str) -> Pointer | None:
        """What stands under a name, without looking whether the data is there."""
        kept = self.bucket.get(name)
        return Pointer.read(kept.content) if kept else None

    def require_no_writer(self, upload_id: UUID) -> None:
        """Wait a moment for a writer to end. Raises UploadLeased, UploadGone."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            journal, _, age = read_journal(self.bucket, upload_id)
            if not journal.open or age >= self._silent:
                return
            if time.monotonic() > until:
                raise UploadLeased()
            time.sleep(0.05)


def _settle(running: Iterable[Future[None]]) -> None:
    for one in running:
        one.result()
