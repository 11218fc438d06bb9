"""Whose a recording is: the recorder by its number, the wearer by the ledger, and their unit.

At the acquisition; and once more, where the recorder came into the books only afterwards. What a
source claims is never rewritten, and nobody loses sight of what he or she has: a unit that a
recording has stays with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.append import append_each
from evidence.custody.kinds import Kind
from evidence.exhibits import claims
from evidence.exhibits.flags import SETTLED, Flag
from evidence.exhibits.models import Exhibit
from evidence.people.access import Act, require
from evidence.people.actor import Actor, ActorType
from evidence.recorders.books import unit_at
from evidence.recorders.ledger import find_by_number, take_turn_of, wearer_at
from evidence.recorders.models import Recorder
from evidence.recorders.names import recorder_key
from evidence.turns import take_turn
from evidence.uploads.models import Upload

# Of one transaction: each takes a turn of its own until the end, and others wait to write.
AT_ONCE = 500


def find_recorder(session: Session, exhibit: Exhibit, number: str) -> set[Flag]:
    """Give a new exhibit the recorder of this number and its wearer; what is in doubt of them."""
    recorder = find_by_number(session, number) if number else None
    if recorder is None and recorder_key(number):
        # Somebody may be entering it: either it is found here, or this exhibit is found there.
        take_turn_of(session, number)
        recorder = find_by_number(session, number)
    if recorder is None:
        return {Flag.RECORDER_UNKNOWN, Flag.WEARER_UNKNOWN}
    taken = _names_of(session, recorder, [exhibit])
    exhibit.unit_id, doubts = _wear(session, exhibit, recorder, taken)
    return doubts


def _names_of(
    session: Session, recorder: Recorder, exhibits: Sequence[Exhibit]
) -> dict[str, set[str]]:
    """The digests that the recorder has under the names of these exhibits."""
    taken: dict[str, set[str]] = {}
    rows = session.execute(
        select(Exhibit.filename, Exhibit.sha256).where(
            Exhibit.recorder_id == recorder.id,
            Exhibit.filename.in_({exhibit.filename for exhibit in exhibits}),
        )
    )
    for filename, sha256 in rows:
        taken.setdefault(filename, set()).add(sha256)
    return taken


def _wear(
    session: Session, exhibit: Exhibit, recorder: Recorder, taken: dict[str, set[str]]
) -> tuple[UUID, set[Flag]]:
    """Recorder and wearer into the exhibit; the unit that they are of, and the doubts."""
    exhibit.recorder_id = recorder.id
    digests = taken.setdefault(exhibit.filename, set())
    doubts = {Flag.NAME_COLLISION} if digests - {exhibit.sha256} else set()
    digests.add(exhibit.sha256)
    at = exhibit.recorded_at
    checkout = wearer_at(session, recorder.id, at) if at is not None else None
    if checkout is None:
        unit_id = recorder.unit_id if at is None else unit_at(session, recorder, at)
        return unit_id, doubts | {Flag.WEARER_UNKNOWN}
    exhibit.officer_id = checkout.officer_id
    return checkout.unit_id, doubts


def came_before(session: Session, recorder: Recorder) -> list[UUID]:
    """The exhibits without a recorder whose source, or file name, names this one."""
    rows = session.execute(
        select(Exhibit.id, Exhibit.filename, Exhibit.recorder_claim)
        .where(Exhibit.recorder_id.is_(None))
        .order_by(Exhibit.position)
    )
    return [
        row.id
        for row in rows
        if recorder_key(claims.recorder(row.filename, row.recorder_claim)) == recorder.key
    ]


def attribute(session: Session, recorder: Recorder, ids: Sequence[UUID], by: Actor) -> int:
    """Give `recorder` those of `ids` (AT_ONCE at most) that have none; how many it was given.

    The ids are of `came_before`; each that is given is an event. Raises AccessDenied.
    """
    require(by, Act.RECORDER_MANAGE)
    take_turn(session, *ids)
    exhibits = session.scalars(
        select(Exhibit)
        .where(Exhibit.id.in_(ids), Exhibit.recorder_id.is_(None))
        .order_by(Exhibit.position)
        .execution_options(populate_existing=True)
    ).all()
    taken, sent = _names_of(session, recorder, exhibits), _sent_by_officers(session, exhibits)
    with session.no_autoflush:
        told = {e.id: _given(session, e, recorder, taken, e.upload_id in sent) for e in exhibits}
    session.flush()
    append_each(session, Kind.EXHIBIT_ATTRIBUTED, told, by)
    return len(told)


def _sent_by_officers(session: Session, exhibits: Sequence[Exhibit]) -> set[UUID | None]:
    uploads = [exhibit.upload_id for exhibit in exhibits]
    query = select(Upload.id).where(
        Upload.id.in_(uploads), Upload.actor_type == ActorType.OFFICER.value
    )
    return set(session.scalars(query))


def _given(
    session: Session,
    exhibit: Exhibit,
    recorder: Recorder,
    taken: dict[str, set[str]],
    sent_by_officer: bool,
) -> dict[str, Any]:
    """Give one; what its event says."""
    unit_id, doubts = _wear(session, exhibit, recorder, taken)
    if sent_by_officer and exhibit.unit_id not in (None, unit_id):
        doubts.add(Flag.SENT_FROM_ELSEWHERE)
    exhibit.unit_id = exhibit.unit_id or unit_id
    before = set(exhibit.flags) - SETTLED
    exhibit.flags = sorted(before | {doubt.value for doubt in doubts})
    return {
        "number": recorder.number,
        "recorder": str(recorder.id),
        "wearer": str(exhibit.officer_id) if exhibit.officer_id else None,
        "unit": str(exhibit.unit_id),
        "flags": exhibit.flags,
    }
