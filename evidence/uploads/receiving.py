"""What may happen to an upload, and when. Bytes are the storage's business; rows are kept here.

Order: a staging area is made, and its room reserved, before the row that points to it; the row
is ended before the staging area is removed. Whatever a crash leaves between is a staging area
without a row, which a sweep removes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4, uuid5

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import (
    AccessDenied,
    IdentifierReused,
    InvalidInput,
    NotFound,
    UploadComplete,
    UploadGone,
    UploadSealed,
    UploadTooLarge,
)
from evidence.people.access import Act, require
from evidence.people.actor import SYSTEM, Actor
from evidence.storage.port import StagingArea
from evidence.turns import take_turn
from evidence.uploads.headers import Claims
from evidence.uploads.models import Upload, UploadPart, UploadState

# An unfinished upload is kept so long after its last byte.
LIFETIME = dt.timedelta(days=7)
# A part that has been joined into a whole, in case it is needed for another.
PART_LIFETIME = dt.timedelta(hours=1)
# A writer between its last byte and its row is done within this.
INTERRUPTED_AFTER = dt.timedelta(minutes=2)
_UPLOADS = UUID("6a1b8a52-6c0f-4a53-9d0e-0d7f5a1f6f3e")


@dataclass(frozen=True, slots=True)
class Quiet:
    """An upload, its length, and until when it was to be received when this was looked for."""

    id: UUID
    length: int | None
    until: dt.datetime


def identifier(by: Actor, event_id: UUID | None) -> UUID:
    """The upload's id: the same actor's same event is the same upload."""
    return uuid5(_UPLOADS, f"{by.id}:{event_id}") if event_id else uuid4()


def new(
    by: Actor,
    *,
    length: int | None,
    claims: Claims,
    metadata_raw: str,
    part: UploadPart = UploadPart.WHOLE,
    concat: str | None = None,
    largest: int,
) -> Upload:
    """An upload as asked for, not added yet. Raises AccessDenied, UploadTooLarge."""
    require(by, Act.UPLOAD)
    require_size(length, largest)
    now = clock.now()
    return Upload(
        id=identifier(by, claims.event_id),
        state=UploadState.RECEIVING,
        part=part,
        length=length,
        concat=concat,
        metadata_raw=metadata_raw,
        filename=claims.filename,
        filetype=claims.filetype,
        recorder_claim=claims.recorder,
        recorded_at_claim=claims.recorded_at,
        sha256_claim=claims.sha256,
        sm3_claim=claims.sm3,
        case_claim=claims.case,
        event_id=claims.event_id,
        actor_type=by.type.value,
        actor_id=by.id,
        actor_via=by.via.value,
        actor_name=by.name,
        unit_id=by.unit_id,
        created_at=now,
        expires_at=now + LIFETIME,
    )


def require_size(length: int | None, largest: int) -> None:
    if length is not None and length > largest:
        raise UploadTooLarge(
            f"This server accepts at most {largest} bytes an upload.", largest=largest
        )


def same_or_none(session: Session, asked: Upload) -> Upload | None:
    """The upload that `asked` repeats, if it is a repetition. Raises IdentifierReused."""
    known = session.get(Upload, asked.id)
    if known is None:
        return None
    if (known.metadata_raw, known.concat) != (asked.metadata_raw, asked.concat) or (
        asked.length is not None and known.length != asked.length
    ):
        raise IdentifierReused(event=str(asked.event_id))
    return known


_OVER = (UploadState.TERMINATED, UploadState.EXPIRED)


def may_receive_again(upload: Upload) -> bool:
    """Whether asking for it once more opens it: not once its bytes are complete."""
    return upload.state is UploadState.RECEIVING or upload.state in _OVER


def is_over(upload: Upload) -> bool:
    """Whether it ended without its bytes."""
    return upload.state in _OVER


def revive(upload: Upload) -> None:
    """Open an upload that is asked for again: a dock comes back after the expiry."""
    if upload.state in _OVER:
        upload.state = UploadState.RECEIVING
    prolong(upload)


def release_parts(session: Session, ids: Sequence[UUID]) -> None:
    """The parts of a concatenation were copied: let them expire soon."""
    for part_id in ids:
        part = session.get_one(Upload, part_id)
        part.expires_at = min(part.expires_at, clock.now() + PART_LIFETIME)


def find(session: Session, upload_id: UUID, by: Actor) -> Upload:
    """An upload of this actor's own. Raises NotFound, AccessDenied."""
    require(by, Act.UPLOAD)
    upload = session.get(Upload, upload_id)
    if upload is None or upload.actor_id != by.id:
        raise NotFound()
    return upload


def require_there(upload: Upload) -> None:
    """Raise UploadGone for one that was terminated or has expired."""
    if upload.state in _OVER or (
        upload.state is UploadState.RECEIVING and upload.expires_at <= clock.now()
    ):
        raise UploadGone()


def require_receiving(upload: Upload) -> None:
    """Raise unless more bytes may come: UploadGone, UploadComplete, AccessDenied."""
    require_there(upload)
    if upload.part is UploadPart.FINAL:
        raise AccessDenied("A concatenated upload takes no bytes of its own.")
    if upload.state is not UploadState.RECEIVING:
        raise UploadComplete()


def declare_length(upload: Upload, length: int, offset: int, largest: int) -> None:
    """Settle a deferred length; the same again is harmless. Raises InvalidInput."""
    require_size(length, largest)
    if upload.length is not None and upload.length != length:
        raise InvalidInput(f"The length of this upload is {upload.length} already.")
    if length < offset:
        raise InvalidInput(f"{offset} bytes have arrived already: the length cannot be less.")
    upload.length = length


def prolong(upload: Upload) -> None:
    """Count the lifetime from now."""
    upload.expires_at = clock.now() + LIFETIME


def complete(upload: Upload) -> bool:
    """Every byte is durable: sealing may begin, unless it is a part. Whether it may."""
    if upload.part is UploadPart.PARTIAL or upload.state is not UploadState.RECEIVING:
        return False
    upload.state = UploadState.SEALING
    upload.completed_at = clock.now()
    return True


def parts_of(
    session: Session, ids: Sequence[UUID], by: Actor, staging: StagingArea
) -> list[Upload]:
    """The finished parts of a concatenation, in order. Raises NotFound, InvalidInput."""
    parts = [find(session, part_id, by) for part_id in ids]
    for part in parts:
        require_there(part)
        if part.part is not UploadPart.PARTIAL:
            raise InvalidInput(f"{part.id} is not a partial upload.")
        if part.length is None or staging.offset(part.id) != part.length:
            raise InvalidInput(f"{part.id} is not complete yet.")
    return parts


def terminate(session: Session, upload: Upload, by: Actor, offset: int) -> None:
    """Give an upload up. Raises UploadSealed once it is being sealed, UploadGone afterwards."""
    if upload.state in _OVER:
        raise UploadGone()
    if upload.state is not UploadState.RECEIVING:
        raise UploadSealed()
    upload.state = UploadState.TERMINATED
    append(session, Kind.UPLOAD_TERMINATED, upload.id, by, filename=upload.filename, offset=offset)


def overdue(session: Session, limit: int = 100) -> list[Quiet]:
    """The uploads whose time is over, the longest first."""
    rows = session.execute(
        select(Upload.id, Upload.length, Upload.expires_at)
        .where(Upload.state == UploadState.RECEIVING, Upload.expires_at <= clock.now())
        .order_by(Upload.expires_at)
        .limit(limit)
    )
    return [Quiet(*row) for row in rows]


def interrupted(session: Session, limit: int = 1000) -> list[Quiet]:
    """The uploads of which nothing was heard for a while: a crash just after the last byte leaves
    a row that does not know of it. Where the clock was set back since, that was at a time to come.
    """
    full = clock.now() + LIFETIME
    rows = session.execute(
        select(Upload.id, Upload.length, Upload.expires_at)
        .where(
            Upload.state == UploadState.RECEIVING,
            Upload.part != UploadPart.PARTIAL,
            Upload.length.is_not(None),
            or_(
                Upload.expires_at <= full - INTERRUPTED_AFTER,
                Upload.expires_at > full + INTERRUPTED_AFTER,
            ),
        )
        .order_by(Upload.expires_at.desc())
        .limit(limit)
    )
    return [Quiet(*row) for row in rows]


def offsets(staging: StagingArea, found: Iterable[Quiet]) -> dict[UUID, int]:
    """How far each has come; 0 where the area is gone. For outside of any transaction: a slow store
    is asked a thousand times, and everybody who writes would wait.
    """
    return {upload_id: _offset(staging, upload_id) for upload_id in {one.id for one in found}}


def complete_interrupted(
    session: Session, found: Iterable[Quiet], offsets: Mapping[UUID, int]
) -> list[UUID]:
    """Complete those of `interrupted` whose last byte is there, if nothing was heard since."""
    whole = {one.id: one for one in found if offsets[one.id] == one.length}
    take_turn(session, *whole)
    # The source may have come back meanwhile, have given one up and opened it again.
    return [
        upload_id
        for upload_id, one in whole.items()
        if (upload := locked(session, upload_id)).expires_at == one.until and complete(upload)
    ]


def expire(session: Session, found: Iterable[Quiet], offsets: Mapping[UUID, int]) -> list[UUID]:
    """End those of `overdue` from which nothing was heard since; whose staging areas may be removed
    after the commit. One whose last byte is there is never ended, but completed, for sealing.
    """
    until = {one.id: one.until for one in found}
    take_turn(session, *until)
    over = session.scalars(
        select(Upload)
        .where(Upload.id.in_(until), Upload.state == UploadState.RECEIVING)
        .order_by(Upload.expires_at)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()
    ended = []
    for upload in over:
        offset = offsets[upload.id]
        if upload.expires_at != until[upload.id] or (offset == upload.length and complete(upload)):
            continue
        ended.append(upload.id)
        upload.state = UploadState.EXPIRED
        append(
            session,
            Kind.UPLOAD_EXPIRED,
            upload.id,
            SYSTEM,
            filename=upload.filename,
            offset=offset,
        )
    return ended


def locked(session: Session, upload_id: UUID) -> Upload:
    """The upload in its turn, its row as it is now and stays until the transaction ends.

    Its turn comes first, as with every event of it. The row is read anew: a lock alone leaves as it
    is what was read while it was waited for.
    """
    take_turn(session, upload_id)
    return session.get_one(Upload, upload_id, with_for_update=True, populate_existing=True)


def _offset(staging: StagingArea, upload_id: UUID) -> int:
    """0 where the area is gone."""
    try:
        return staging.offset(upload_id)
    except UploadGone:
        return 0


def finished_with(session: Session, by: Actor, sha256: str) -> Upload | None:
    """This actor's own upload of these bytes that was sealed before: no oracle for others."""
    require(by, Act.UPLOAD)
    return session.scalar(
        select(Upload)
        .where(
            Upload.actor_id == by.id,
            Upload.sha256_claim == sha256.lower(),
            Upload.state.in_((UploadState.SEALED, UploadState.DUPLICATE)),
        )
        .limit(1)
    )
