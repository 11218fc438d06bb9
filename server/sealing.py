"""From a complete upload to a sealed exhibit, in the request where that is quick, else in a job.

The read-back happens outside any transaction; then one transaction files the bytes and keeps the
rows; then the staging area goes. Whatever a crash interrupts, the sweep starts again.
"""

from __future__ import annotations

import logging
from uuid import UUID

from evidence.errors import EvidenceError, UploadGone
from evidence.exhibits import acquisition
from evidence.exhibits.models import ExhibitState
from evidence.uploads import receiving
from evidence.uploads.models import Upload, UploadState
from server import claimed_case, jobs
from server.extensions import db, signer, store
from server.in_hand import InHand
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

# Reading back so much more takes a fraction of a second.
AT_ONCE_BYTES = 64 * 1024 * 1024
_sealing = InHand()


def finish(upload_id: UUID) -> None:
    """Seal now, or have it sealed. Never raises: the bytes are durable, and the sweep comes."""
    try:
        if store().unread(upload_id) <= AT_ONCE_BYTES:
            seal_upload(upload_id)
        else:
            jobs.seal(upload_id)
    except Exception:
        db.session.rollback()
        log.exception("upload %s is complete and not sealed yet", upload_id)


def seal_upload(upload_id: UUID) -> None:
    """Seal a complete upload; harmless where that is done or being done here.

    Raises StorageError.
    """
    with _sealing.take(upload_id) as free:
        if free:
            _seal(upload_id)


def _seal(upload_id: UUID) -> None:
    upload = db.session.get(Upload, upload_id)
    state = upload.state if upload else None
    db.session.rollback()
    if state is not UploadState.SEALING:
        return
    try:
        read_back = store().read_back(upload_id)
    except UploadGone:
        # Another process has sealed it and removed the staging area since we looked.
        return
    with unit_of_work() as session:
        upload = receiving.locked(session, upload_id)
        if upload.state is not UploadState.SEALING:
            return
        exhibit = acquisition.seal(session, store(), signer(), upload, read_back)
        if upload.state is UploadState.SEALED and upload.case_claim:
            claimed_case.link(session, exhibit, upload)
        readable = exhibit.state is ExhibitState.SEALED
        exhibit_id = exhibit.id
    try:
        store().remove(upload_id)
    except EvidenceError:
        log.warning("the staging area of %s stays for the sweep", upload_id)
    if readable:
        jobs.read_media(exhibit_id)
