"""Having the log's heads stamped with the time, at an interval, by each configured authority.

While an authority cannot be reached, the stamp is owed and asked for again: of the newest head,
which covers everything before it.
"""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.checkpoint import Checkpoint
from evidence.custody.correspondence import answered, in_vain, keep, rests, standing
from evidence.custody.models import Correspondence, KeptCheckpoint, LogHead, Stamp
from evidence.custody.note import Note


def due(
    session: Session, origin: str, authority: str, every: dt.timedelta, now: dt.datetime
) -> str | None:
    """The head's note, if it is to be stamped: the last stamp is old enough, and there is news."""
    head = session.get(LogHead, origin)
    stands = session.get(Correspondence, authority)
    if head is None or head.size == 0 or rests(stands, now):
        return None
    if stands and stands.answered_at and stands.answered_at <= now < stands.answered_at + every:
        return None
    return head.checkpoint if stands is None or stands.size != head.size else None


def record(session: Session, authority: str, note: str, response: bytes, at: dt.datetime) -> None:
    """Keep a verified stamp of the checkpoint `note`."""
    size = Checkpoint.parse(Note.parse(note).text).size
    keep(session, note, size)
    session.merge(Stamp(size=size, authority=authority, response=response, at=at))
    answered(standing(session, authority), size)


def record_failure(session: Session, authority: str, problem: str) -> None:
    in_vain(standing(session, authority), problem)


def stamps_of(session: Session, note: str) -> list[Stamp]:
    """The stamps of the checkpoint `note`, by authority."""
    text = Note.parse(note).text
    size = Checkpoint.parse(text).size
    kept = session.get(KeptCheckpoint, size)
    if kept is None or Note.parse(kept.note).text != text:
        return []
    query = select(Stamp).where(Stamp.size == size).order_by(Stamp.authority)
    return list(session.scalars(query))
