"""The sweep: finding, from the state of the rows, what a crash left and whose time has run out.

The queue may forget at any time; what it forgot is put into it again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from evidence import clock
from evidence.dossier.models import Dossier, DossierState
from evidence.exhibits.models import Exhibit, ExhibitState, MediaState, ReadingAsked
from evidence.uploads import receiving
from evidence.uploads.models import Upload, UploadState
from server import clearing, jobs, troubles
from server.extensions import db, store
from server.troubles import JobTrouble
from server.unit_of_work import unit_of_work

# What has waited so long has lost its job.
LOST_AFTER = dt.timedelta(seconds=20)
_READING_LASTS = 30  # times that
_AT_ONCE = 200


def sweep(lost_after: dt.timedelta = LOST_AFTER) -> int:
    """Start again what was lost, complete and end uploads, take their staging areas away.

    How many jobs were started again.
    """
    session = db.session()
    unsealed = troubles.due(session, "seal", _unsealed(session, lost_after))
    unread = troubles.due(session, "read_media", _unread(session, lost_after))
    unmade = troubles.due(session, "make_dossier", _unmade(session, lost_after))
    unheard = troubles.due(session, "read_again", _unheard(session, lost_after))
    session.rollback()
    queued = jobs.waiting()
    # One that is away is not asked for each of them.
    for upload_id in unsealed if queued is not None else ():
        jobs.seal(upload_id)
    # While others are still in the queue, so may these be.
    if queued == 0:
        for exhibit_id in unread:
            jobs.read_media(exhibit_id)
        for dossier_id in unmade:
            jobs.make_dossier(dossier_id)
        for exhibit_id in unheard:
            jobs.read_as_asked(exhibit_id)
    _end_uploads()
    clearing.clear(3 * lost_after)
    return len(unsealed) + len(unread) + len(unmade) + len(unheard)


def _end_uploads() -> None:
    session = db.session()
    interrupted, overdue = receiving.interrupted(session), receiving.overdue(session)
    session.rollback()
    offsets = receiving.offsets(store(), (*interrupted, *overdue))
    with unit_of_work() as session:
        receiving.complete_interrupted(session, interrupted, offsets)
        receiving.expire(session, overdue, offsets)


def _unsealed(session: Session, lost_after: dt.timedelta) -> Sequence[UUID]:
    return session.scalars(
        select(Upload.id)
        .where(Upload.state == UploadState.SEALING, _lost(Upload.completed_at, lost_after))
        .limit(_AT_ONCE)
    ).all()


def _unread(session: Session, lost_after: dt.timedelta) -> Sequence[UUID]:
    return session.scalars(
        select(Exhibit.id)
        .where(
            Exhibit.media_state == MediaState.PENDING,
            Exhibit.state == ExhibitState.SEALED,
            _lost(Exhibit.sealed_at, lost_after),
        )
        .limit(_AT_ONCE)
    ).all()


def _unmade(session: Session, lost_after: dt.timedelta) -> Sequence[UUID]:
    return session.scalars(
        select(Dossier.id)
        .where(Dossier.state == DossierState.PREPARING, _lost(Dossier.requested_at, lost_after))
        .limit(_AT_ONCE)
    ).all()


def _unheard(session: Session, lost_after: dt.timedelta) -> Sequence[UUID]:
    """Originals that somebody asked to be read again.

    A reading may take long, and every worker sweeps: all of them would begin it.
    """
    failed = select(JobTrouble.subject_id).where(JobTrouble.job == "read_again")
    return session.scalars(
        select(ReadingAsked.exhibit_id)
        .where(
            or_(
                _lost(ReadingAsked.asked_at, _READING_LASTS * lost_after),
                ReadingAsked.exhibit_id.in_(failed),
            )
        )
        .limit(_AT_ONCE)
    ).all()


def _lost(since: InstrumentedAttribute[Any], lost_after: dt.timedelta) -> ColumnElement[bool]:
    """Whether what waits `since` then has lost its job.

    What has waited since a time to come has, too: by a clock that was set back since.
    """
    now = clock.now()
    return or_(since < now - lost_after, since > now + lost_after)
