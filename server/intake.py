"""Uploads between the wire and the storage: rows in short transactions, bytes outside of them.

Order: room reserved → row; bytes durable → row says so → sealing. What a crash leaves between
is found again: an area without a row by the sweep, a last byte without its row's word by the
next question about the upload or by the sweep.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Iterable
from contextlib import ExitStack
from uuid import UUID

from evidence import errors as e
from evidence.people.actor import Actor
from evidence.storage.port import StagingWriter
from evidence.turns import take_turn
from evidence.uploads import headers, receiving
from evidence.uploads.headers import Checksum
from evidence.uploads.models import Upload, UploadPart, UploadState
from server import clearing, sealing
from server.extensions import db, settings, store
from server.unit_of_work import unit_of_work

PATIENCE_SECONDS = 1.0


def open_upload(asked: Upload) -> Upload:
    """The upload that is asked for: a new one, or the one that this creation repeats.

    Raises IdentifierReused, StorageFull.
    """
    try:
        return _open(asked)
    except e.UploadGone:
        # A creation that took very long: the sweep held its room to be abandoned.
        return _open(asked)


def _open(asked: Upload) -> Upload:
    known = receiving.same_or_none(db.session(), asked)
    db.session.rollback()
    if known is None or receiving.may_receive_again(known):
        _reserve(asked)
    with unit_of_work() as session:
        # Two creations under one event id may have come at once: the first row stands.
        take_turn(session, asked.id)
        known = receiving.same_or_none(session, asked)
        if known is None or receiving.may_receive_again(known):
            store().offset(asked.id)  # raises UploadGone; from here on the sweep leaves it alone
        if known is None:
            session.add(asked)
            receiving.release_parts(session, headers.parts(asked.concat))
        elif receiving.may_receive_again(known):
            receiving.revive(known)
    return known or asked


def _reserve(asked: Upload) -> None:
    parts = headers.parts(asked.concat)
    if parts:
        store().concatenate(asked.id, parts)
    else:
        store().create(asked.id, asked.length)


def declare_length(upload: Upload, length: int) -> Upload:
    """Settle a deferred length: room first, then the row. Raises InvalidInput, StorageFull."""
    upload_id = upload.id
    receiving.declare_length(upload, length, store().offset(upload_id), settings().max_upload)
    db.session.rollback()
    store().declare_length(upload_id, length)
    with unit_of_work() as session:
        upload = receiving.locked(session, upload_id)
        receiving.declare_length(upload, length, store().offset(upload_id), settings().max_upload)
    return upload


def receive(
    upload: Upload,
    at: int,
    body: Iterable[bytes | memoryview],
    announced: int,
    checksum: Checksum | None,
) -> int:
    """Stream `body` into the staging area from `at` on; the new durable offset.

    `announced` is the body's length where the request says it, else 0. What had arrived of a
    body that was cut is kept, unless a checksum was to vouch for it. Raises OffsetMismatch,
    LengthExceeded, ChecksumMismatch, UploadLeased, StorageError.
    """
    upload_id, length = upload.id, upload.length
    limit = settings().max_upload if length is None else length
    # A body may take hours: nothing of the database is held meanwhile.
    db.session.rollback()
    with ExitStack() as stack:
        writer = _lease(stack, upload_id, hold=checksum is not None)
        if writer.offset != at:
            raise e.OffsetMismatch(offset=writer.offset)
        if announced > limit - at:
            raise e.LengthExceeded(length=limit, offset=at)
        return _stream(writer, body, limit - at, checksum)


def _lease(stack: ExitStack, upload_id: UUID, *, hold: bool) -> StagingWriter:
    """The upload's one writer, until `stack` ends.

    Whoever was cut off comes back before the server has noticed: it is waited for a moment.
    Raises UploadLeased; UploadComplete where the writer before brought the last byte meanwhile,
    and sealing has taken the staging area away.
    """
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return stack.enter_context(store().writer(upload_id, hold=hold))
        except e.UploadLeased:
            if time.monotonic() > until:
                raise
        except e.UploadGone:
            if has_ended_well(_as_it_is(upload_id)):
                raise e.UploadComplete() from None
            raise
        time.sleep(0.02)


def _stream(
    writer: StagingWriter, body: Iterable[bytes | memoryview], room: int, checksum: Checksum | None
) -> int:
    digest = checksum.new() if checksum else None
    arrived = 0
    for piece in body:
        arrived += len(piece)
        if arrived > room:
            writer.discard()
            raise e.LengthExceeded()
        writer.write(piece)
        if digest:
            digest.update(piece)
    if checksum and digest and not hmac.compare_digest(digest.digest(), checksum.value):
        writer.discard()
        raise e.ChecksumMismatch()
    return writer.commit()


def present_offset(upload: Upload) -> int:
    """From the journal while bytes may come; afterwards every byte has. Raises UploadGone."""
    if upload.state is UploadState.RECEIVING:
        try:
            return store().offset(upload.id)
        except e.UploadGone:
            # Sealed, and its staging area removed, since the row was read?
            if _as_it_is(upload.id).state is UploadState.RECEIVING:
                raise
    return (upload.length or 0) if has_ended_well(upload) else 0


def has_ended_well(upload: Upload) -> bool:
    """Whether every byte has come."""
    return upload.state is not UploadState.RECEIVING and not receiving.is_over(upload)


def _as_it_is(upload_id: UUID) -> Upload:
    """The row read anew; every reference to it sees what is new."""
    db.session.rollback()
    return db.session.get_one(Upload, upload_id, populate_existing=True)


def settle(upload: Upload, at: int) -> Upload:
    """After bytes became durable up to `at`: prolong, or seal. Raises UploadGone."""
    with unit_of_work() as session:
        upload = receiving.locked(session, upload.id)
        receiving.require_there(upload)
        receiving.prolong(upload)
        # It may have been given up, and opened again, since those bytes came.
        whole = upload.state is UploadState.RECEIVING and at == upload.length
        sealable = whole and store().offset(upload.id) == at and receiving.complete(upload)
    if sealable:
        sealing.finish(upload.id)
    return upload


def standing(upload: Upload) -> tuple[Upload, int]:
    """The upload and its durable offset: that of its last byte only once its row says so.

    A crash may come between the two. Whoever is told that every byte has come asks no more, so
    what one of them does not know yet is made good before anybody is told.
    """
    at = present_offset(upload)
    whole = upload.part is not UploadPart.PARTIAL and at == upload.length
    if whole and upload.state is UploadState.RECEIVING:
        upload = settle(upload, at)
    return upload, at


def terminate(upload: Upload, by: Actor) -> None:
    """Give an upload up, and its bytes. Raises UploadSealed, UploadGone."""
    at = present_offset(upload)
    with unit_of_work() as session:
        upload = receiving.locked(session, upload.id)
        receiving.terminate(session, upload, by, at)
    clearing.remove(upload.id)
