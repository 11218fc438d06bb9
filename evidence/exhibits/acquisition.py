"""Taking in an original: three digests equal and filed write-once, or quarantine.

Order: bytes durable under their digest → exhibit, events and receipt in one transaction → the
staging area removed (by the caller, after its commit). Every identifier is derived from the
upload's, so whatever is repeated after a crash says the same thing again: one original, one
exhibit, one event of each kind.
"""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from evidence import clock
from evidence.base import next_number
from evidence.clock import SHANGHAI
from evidence.custody.append import append, timestamp
from evidence.custody.kinds import Kind
from evidence.custody.note import Signer
from evidence.digests import pack_segments, segments_digest
from evidence.errors import FixityMismatch
from evidence.exhibits import claims
from evidence.exhibits.attributing import find_recorder
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitSegments, ExhibitState
from evidence.exhibits.receipt import sign_receipt
from evidence.people.actor import Actor, ActorType, Via
from evidence.recorders.ledger import find_by_number
from evidence.recorders.names import recorder_key
from evidence.storage.port import OriginalStore, ReadBack
from evidence.turns import take_turn
from evidence.uploads.models import Upload, UploadState

_WORDS = {
    "length": "the number of bytes is not the declared one",
    "claimed": "the digest of what arrived is not the one that the source claimed",
    "received": "the bytes read back from storage are not the bytes that arrived",
}


def seal(
    session: Session, store: OriginalStore, signer: Signer, upload: Upload, read_back: ReadBack
) -> Exhibit:
    """Make an exhibit of a finished upload; doing it again gives the same exhibit.

    Quarantines instead of raising where a digest differs. Raises StorageError, leaving
    everything as it was, where the bytes could not be filed, or where they were sealed before
    and what is filed of them has another length now.
    """
    if upload.exhibit_id is not None:
        return session.get_one(Exhibit, upload.exhibit_id)
    differed = _differences(upload, read_back)
    if differed:
        return _quarantine(session, store, upload, read_back, differed)
    # Durable before any row speaks of it. Also where the original is known: if the store has
    # lost it, these bytes are the last, and the receipt would clear them from the card.
    store.file(upload.id, read_back)
    known = _sealed_before(session, read_back)
    if known is None:
        try:
            with session.begin_nested():
                return _seal_new(session, signer, upload, read_back)
        except IntegrityError:
            # Another transaction sealed the same bytes since we looked.
            known = _sealed_before(session, read_back)
            if known is None:
                raise
    take_turn(session, known.id)
    session.refresh(known, ["state", "flags"])
    if known.state is not ExhibitState.SEALED:
        # Found altered since we looked, and its bytes set aside: these are an original again, and
        # may have been left out for those.
        store.file(upload.id, read_back)
        return _seal_new(session, signer, upload, read_back)
    return _receive_again(session, store, signer, upload, known)


def _sealed_before(session: Session, read_back: ReadBack) -> Exhibit | None:
    return session.scalar(
        select(Exhibit).where(
            Exhibit.sha256 == read_back.sha256.hex, Exhibit.state == ExhibitState.SEALED
        )
    )


def _seal_new(session: Session, signer: Signer, upload: Upload, read_back: ReadBack) -> Exhibit:
    exhibit = _register(session, upload, read_back, ExhibitState.SEALED)
    append(
        session,
        Kind.EXHIBIT_SEALED,
        exhibit.id,
        _actor(upload),
        event_id=_event_id(upload, Kind.EXHIBIT_SEALED),
        size=exhibit.size,
        sha256=exhibit.sha256,
        sha256_claim=exhibit.sha256_claim,
        sha256_received=exhibit.sha256_received,
        **_given(sm3=exhibit.sm3, sm3_claim=upload.sm3_claim),
        segments_sha256=exhibit.segments_digest,
        segments=len(read_back.segments),
    )
    upload.state = UploadState.SEALED
    upload.receipt = _receipt(signer, upload, exhibit)
    return exhibit


def _differences(upload: Upload, read_back: ReadBack) -> list[str]:
    """Which of the three points differ: claimed = received = read back, and the length."""
    differed = []
    if read_back.size != upload.length:
        differed.append("length")
    if read_back.differing:
        differed.append("received")
    claimed = ((upload.sha256_claim, read_back.sha256), (upload.sm3_claim, read_back.sm3))
    if any(claim and found and claim != found.hex for claim, found in claimed):
        differed.append("claimed")
    return differed


def _actor(upload: Upload) -> Actor:
    """Whoever sent the upload: the one who acts, also when the worker finishes the sealing."""
    return Actor(
        type=ActorType(upload.actor_type),
        id=upload.actor_id,
        via=Via(upload.actor_via),
        name=upload.actor_name,
        unit_id=upload.unit_id,
    )


def _exhibit_id(upload: Upload) -> UUID:
    return uuid5(upload.id, "exhibit")


def _event_id(upload: Upload, kind: Kind) -> UUID:
    return uuid5(upload.id, kind.value)


def _register(
    session: Session, upload: Upload, read_back: ReadBack, state: ExhibitState
) -> Exhibit:
    """The exhibit's row, its segments and exhibit:acquired."""
    now = clock.now()
    received_at = upload.completed_at or now
    reading = _read_claims(upload, now)
    exhibit = Exhibit(
        id=_exhibit_id(upload),
        state=state,
        sha256=read_back.sha256.hex,
        sm3=read_back.sm3.hex if read_back.sm3 else None,
        size=read_back.size,
        sha256_claim=upload.sha256_claim,
        # Every segment came back as it arrived: what was received is what was read back.
        sha256_received=None if read_back.differing else read_back.sha256.hex,
        sha256_read_back=read_back.sha256.hex,
        segments_digest=segments_digest(read_back.segments),
        filename=upload.filename,
        filetype=upload.filetype,
        recorder_claim=upload.recorder_claim,
        recorded_at_claim=upload.recorded_at_claim,
        recorded_at=reading.recorded_at,
        unit_id=upload.unit_id,
        upload_id=upload.id,
        custodian=upload.actor_name,
        received_at=received_at,
        sealed_at=now if state is ExhibitState.SEALED else None,
        last_read_at=now,
    )
    flags = set(reading.flags) | find_recorder(session, exhibit, reading.recorder)
    if upload.sha256_claim is None:
        flags.add(Flag.DIGEST_UNCLAIMED)
    if upload.actor_type == ActorType.OFFICER.value and upload.unit_id != exhibit.unit_id:
        flags.add(Flag.SENT_FROM_ELSEWHERE)
    exhibit.flags = sorted(flag.value for flag in flags)
    # The year's counter is everybody's until the end: after whatever may have to wait.
    exhibit.label = _label(session, now)
    session.add(exhibit)
    session.flush()
    session.add(ExhibitSegments(exhibit_id=exhibit.id, packed=pack_segments(read_back.segments)))
    upload.exhibit_id = exhibit.id
    _note_acquired(session, upload, exhibit)
    return exhibit


def _read_claims(upload: Upload, now: dt.datetime) -> claims.Reading:
    return claims.read(
        filename=upload.filename,
        recorder_claim=upload.recorder_claim,
        recorded_at_claim=upload.recorded_at_claim,
        received_at=upload.completed_at or now,
    )


def _label(session: Session, now: dt.datetime) -> str:
    year = now.astimezone(SHANGHAI).year
    return f"E{year}-{next_number(session, f'exhibit:{year}'):06d}"


def _note_acquired(session: Session, upload: Upload, exhibit: Exhibit) -> None:
    append(
        session,
        Kind.EXHIBIT_ACQUIRED,
        exhibit.id,
        _actor(upload),
        event_id=_event_id(upload, Kind.EXHIBIT_ACQUIRED),
        label=exhibit.label,
        upload=str(upload.id),
        filename=exhibit.filename,
        size=exhibit.size,
        recorded_at_claim=exhibit.recorded_at_claim,
        recorded_at=timestamp(exhibit.recorded_at) if exhibit.recorded_at else None,
        recorder_claim=exhibit.recorder_claim,
        recorder=_text(exhibit.recorder_id),
        wearer=_text(exhibit.officer_id),
        unit=_text(exhibit.unit_id),
        received_at=timestamp(exhibit.received_at),
        sha256_claim=exhibit.sha256_claim,
        flags=exhibit.flags,
    )


def _given(**members: str | None) -> dict[str, Any]:
    """Those that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def _text(value: UUID | None) -> str | None:
    return str(value) if value else None


def _quarantine(
    session: Session,
    store: OriginalStore,
    upload: Upload,
    read_back: ReadBack,
    differed: list[str],
) -> Exhibit:
    store.quarantine(upload.id, _exhibit_id(upload))
    exhibit = _register(session, upload, read_back, ExhibitState.QUARANTINED)
    append(
        session,
        Kind.EXHIBIT_QUARANTINED,
        exhibit.id,
        _actor(upload),
        event_id=_event_id(upload, Kind.EXHIBIT_QUARANTINED),
        size=exhibit.size,
        sha256_claim=exhibit.sha256_claim,
        sha256_received=exhibit.sha256_received,
        sha256_read_back=exhibit.sha256_read_back,
        **_given(sm3_read_back=exhibit.sm3, sm3_claim=upload.sm3_claim),
        segments_sha256=exhibit.segments_digest,
        segments=len(read_back.segments),
        differed=differed,
    )
    upload.state = UploadState.QUARANTINED
    words = "; ".join(_WORDS[d] for d in differed)
    upload.outcome = {
        "code": "hash_mismatch",
        "message": f"In quarantine: {words}.",
        "differed": differed,
    }
    return exhibit


def _receive_again(
    session: Session, store: OriginalStore, signer: Signer, upload: Upload, known: Exhibit
) -> Exhibit:
    if store.size(known.sha256) != known.size:
        raise FixityMismatch(f"The original of {known.label} has not the length it was sealed at.")
    append(
        session,
        Kind.EXHIBIT_RECEIVED_AGAIN,
        known.id,
        _actor(upload),
        event_id=_event_id(upload, Kind.EXHIBIT_RECEIVED_AGAIN),
        upload=str(upload.id),
        filename=upload.filename,
        recorder_claim=upload.recorder_claim,
        recorded_at_claim=upload.recorded_at_claim,
        sha256=known.sha256,
    )
    if _differently_claimed(session, upload, known):
        known.flags = sorted({*known.flags, Flag.CLAIMS_DIFFER.value})
    upload.state = UploadState.DUPLICATE
    upload.exhibit_id = known.id
    upload.receipt = _receipt(signer, upload, known)
    return known


def _differently_claimed(session: Session, upload: Upload, known: Exhibit) -> bool:
    """Whether the source names another recorder or time: who came first may have lied."""
    reading = _read_claims(upload, clock.now())
    other_time = reading.recorded_at and reading.recorded_at != known.recorded_at
    return bool(other_time or _other_recorder(session, reading.recorder, known))


def _other_recorder(session: Session, number: str, known: Exhibit) -> bool:
    if not number:
        return False
    if known.recorder_id is None:
        named = claims.recorder(known.filename, known.recorder_claim)
        return recorder_key(named) != recorder_key(number)
    recorder = find_by_number(session, number)
    return recorder is None or recorder.id != known.recorder_id


def _receipt(signer: Signer, upload: Upload, exhibit: Exhibit) -> str:
    return sign_receipt(
        signer,
        upload=upload.id,
        exhibit=exhibit.id,
        label=exhibit.label,
        sha256=exhibit.sha256,
        sm3=exhibit.sm3,
        size=exhibit.size,
        sealed_at=exhibit.sealed_at or exhibit.received_at,
    )
