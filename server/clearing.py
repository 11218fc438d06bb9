"""Taking staging areas away: never one whose upload is under way, or is opened at this moment.

An area is made before its row is committed, and an upload that has ended may be opened again. So
the row is looked at in the turn of the upload, which its opening takes too (server/intake.py): an
opening that comes second sees that its area is gone, and makes it once more.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.errors import EvidenceError
from evidence.turns import take_turn
from evidence.uploads.models import Upload, UploadState
from server.extensions import db, store
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

_UNDER_WAY = (UploadState.RECEIVING, UploadState.SEALING)
# By a clock that nobody sets.
_first_seen: dict[UUID, float] = {}


def clear(abandoned_after: dt.timedelta) -> None:
    """Remove the areas of uploads that have ended, and those that had no row for so long."""
    staged = set(store().staged())
    for upload_id in staged:
        state = _state(db.session(), upload_id)
        db.session.rollback()
        if state in _UNDER_WAY:
            continue
        if state is not None or _stands_for(upload_id) > abandoned_after.total_seconds():
            remove(upload_id)
    for upload_id in _first_seen.keys() - staged:
        del _first_seen[upload_id]


def remove(upload_id: UUID) -> None:
    """One, if its upload is not under way. What the store does not give up stays, and is told."""
    with unit_of_work() as session:
        take_turn(session, upload_id)
        if _state(session, upload_id) in _UNDER_WAY:
            return
        try:
            store().remove(upload_id)
        except EvidenceError:
            log.warning("the staging area of %s cannot be removed", upload_id)


def _state(session: Session, upload_id: UUID) -> UploadState | None:
    return session.scalar(select(Upload.state).where(Upload.id == upload_id))


def _stands_for(upload_id: UUID) -> float:
    """Seconds since it was first seen."""
    now = time.monotonic()
    return now - _first_seen.setdefault(upload_id, now)
