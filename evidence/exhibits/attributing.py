"""Whose a recording is: the recorder by its number, the wearer by the ledger, and their unit.

At the acquisition; and once more, where the recorder came into the books only afterwards. What a
source claims is never rewritten, and nobody loses sight of what he or she has: a unit that a
recording has stays with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.append import append_each
from evidence.custody.kinds import Kind
from evidence.exhibits import claims
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit
from evidence.people.access import Act, require
from evidence.people.actor import Actor
from evidence.recorders.ledger import find_by_number, take_turn_of, wearer_at
from evidence.recorders.models import Recorder
from evidence.recorders.names import recorder_key
from evidence.turns import take_turn


def find_recorder(session: Session, exhibit: Exhibit, number: str) -> set[Flag]:
    """Give a new exhibit the recorder of this number and its wearer; what is in doubt of them."""
    recorder = find_by_number(session, number) if number else None
    if recorder is None and recorder_key(number):
        # Somebody may be entering it: either it is found here, or this exhibit is found there.
        take_turn_of(session, number)
        recorder = find_by_number(session, number)
    if recorder is None:
        return {Flag.RECORDER_UNKNOWN, Flag.WEARER_UNKNOWN}
    unit_id, doubts = _wear(session, exhibit, recorder)
    exhibit.unit_id = unit_id
    return doubts


def _wear(session: Session, exhibit: Exhibit, recorder: Recorder) -> tuple[UUID, set[Flag]]:
    """Recorder and wearer into the exhibit; the unit that they are of, and the doubts."""
    exhibit.recorder_id = recorder.id
    doubts = set()
    same_name = select(Exhibit.id).where(
        Exhibit.recorder_id == recorder.id,
        Exhibit.filename == exhibit.filename,
        Exhibit.sha256 != exhibit.sha256,
    )
    if session.scalar(same_name.limit(1)) is not None:
        doubts.add(Flag.NAME_COLLISION)
    at = exhibit.recorded_at
    checkout = wearer_at(session, recorder.id, at) if at is not None else None
    if checkout is None:
        return recorder.unit_id, doubts | {Flag.WEARER_UNKNOWN}
    exhibit.officer_id = checkout.officer_id
    return checkout.unit_id, doubts


def attribute(session: Session, recorder: Recorder, by: Actor) -> int:
    """Give a recorder that was just entered what came before it: each time an event. How many.

    Raises AccessDenied.
    """
    require(by, Act.RECORDER_MANAGE)
    ids = list(_claiming(session, recorder.key))
    take_turn(session, *ids)
    told = {}
    for exhibit in session.scalars(
        select(Exhibit)
        .where(Exhibit.id.in_(ids), Exhibit.recorder_id.is_(None))
        .order_by(Exhibit.position)
        .execution_options(populate_existing=True)
    ).all():
        before = set(exhibit.flags) - {Flag.RECORDER_UNKNOWN.value, Flag.WEARER_UNKNOWN.value}
        unit_id, doubts = _wear(session, exhibit, recorder)
        exhibit.unit_id = exhibit.unit_id or unit_id
        exhibit.flags = sorted(before | {doubt.value for doubt in doubts})
        session.flush()
        told[exhibit.id] = {
            "number": recorder.number,
            "recorder": str(recorder.id),
            "wearer": str(exhibit.officer_id) if exhibit.officer_id else None,
            "unit": str(exhibit.unit_id),
            "flags": exhibit.flags,
        }
    append_each(session, Kind.EXHIBIT_ATTRIBUTED, told, by)
    return len(told)


def _claiming(session: Session, key: str) -> Iterator[UUID]:
    """The exhibits without a recorder whose source, or file name, names this one."""
    rows = session.execute(
        select(
            Exhibit.id,
            Exhibit.filename,
            Exhibit.recorder_claim,
            Exhibit.recorded_at_claim,
            Exhibit.received_at,
        ).where(Exhibit.recorder_id.is_(None))
    )
    for row in rows:
        reading = claims.read(
            filename=row.filename,
            recorder_claim=row.recorder_claim,
            recorded_at_claim=row.recorded_at_claim,
            received_at=row.received_at,
        )
        if recorder_key(reading.recorder) == key:
            yield row.id
