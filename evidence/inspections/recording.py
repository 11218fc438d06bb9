"""Recording an inspection: at least two officers, each licensed on that day (处罚法 42, 55).

The client makes the id, so that a record sent twice, over a bad line, is one record.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import IdentifierReused, InvalidInput, NaiveTime, TooFewOfficers
from evidence.inspections.models import Inspection, InspectionOfficer, InspectionResult
from evidence.people import access
from evidence.people.access import Act, Reach
from evidence.people.actor import Actor
from evidence.people.certificates import day_of, require_certificates
from evidence.people.models import Officer, OfficerStatus
from evidence.turns import take_turn

# A visit that lasts longer than this is a slip of the pen.
LONGEST = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An inspection as its officers tell it. Times are aware."""

    id: UUID
    party: str
    place: str
    started_at: dt.datetime
    ended_at: dt.datetime
    officer_ids: Sequence[UUID]
    id_shown: bool
    recording_told: bool
    result: InspectionResult
    findings: str = ""

    def content_sha256(self, unit_id: UUID) -> str:
        """SHA-256, in hex, of the record in canonical JSON: what a retry must equal."""
        said: dict[str, Any] = {
            "unit": str(unit_id),
            "party": self.party,
            "place": self.place,
            "started_at": self.started_at.astimezone(dt.UTC).isoformat(),
            "ended_at": self.ended_at.astimezone(dt.UTC).isoformat(),
            "officers": sorted(str(i) for i in self.officer_ids),
            "id_shown": self.id_shown,
            "recording_told": self.recording_told,
            "result": self.result.value,
            "findings": self.findings,
        }
        return hashlib.sha256(rfc8785.dumps(said)).hexdigest()


def record(session: Session, by: Actor, said: Record) -> tuple[Inspection, bool]:
    """The inspection, for the actor's own unit, and whether it is new.

    Raises AccessDenied, NaiveTime, InvalidInput, TooFewOfficers, CertificateNotValid (naming
    officer and day), IdentifierReused where the id stands for another record.
    """
    access.require(by, Act.INSPECTION_RECORD)
    if by.unit_id is None:
        raise InvalidInput("Only an officer of a unit records an inspection.")
    access.require(by, Act.INSPECTION_RECORD, Reach(unit_ids=frozenset({by.unit_id})))
    _check_times(said)
    content = said.content_sha256(by.unit_id)
    take_turn(session, said.id)
    known = session.get(Inspection, said.id, options=[selectinload(Inspection.officers)])
    if known is not None:
        if known.content_sha256 != content:
            raise IdentifierReused(id=str(said.id))
        return known, False
    officers = _officers(session, said.officer_ids, by.unit_id)
    days = sorted({day_of(said.started_at), day_of(said.ended_at)})
    certificates = require_certificates(officers, days)
    inspection = Inspection(
        id=said.id,
        unit_id=by.unit_id,
        party=said.party,
        place=said.place,
        started_at=said.started_at,
        ended_at=said.ended_at,
        id_shown=said.id_shown,
        recording_told=said.recording_told,
        result=said.result,
        findings=said.findings,
        created_by=by.id,
        created_at=clock.now(),
        content_sha256=content,
        officers=officers,
    )
    session.add(inspection)
    session.flush()
    _note_certificates(session, inspection, certificates)
    append(
        session,
        Kind.INSPECTION_RECORDED,
        said.id,
        by,
        content_sha256=content,
        unit=str(by.unit_id),
        officers=[str(officer.id) for officer in officers],
    )
    return inspection, True


def _note_certificates(session: Session, inspection: Inspection, numbers: Sequence[str]) -> None:
    """Keep under which certificate each officer acted, in the officers' order."""
    for officer, number in zip(inspection.officers, numbers, strict=True):
        row = session.get_one(InspectionOfficer, (inspection.id, officer.id))
        row.certificate_number = number
    session.flush()


def _check_times(said: Record) -> None:
    if said.started_at.tzinfo is None or said.ended_at.tzinfo is None:
        raise NaiveTime
    if said.ended_at < said.started_at:
        raise InvalidInput("The inspection ends before it starts.")
    if said.ended_at - said.started_at > LONGEST:
        raise InvalidInput(f"An inspection lasts at most {LONGEST.days} days.")


def _officers(session: Session, ids: Sequence[UUID], unit_id: UUID) -> list[Officer]:
    """The officers named, at least two, at least one of them of the unit that records."""
    wanted = sorted(set(ids))
    if len(wanted) < 2:
        raise TooFewOfficers
    query = select(Officer).where(Officer.id.in_(wanted)).order_by(Officer.badge)
    found = list(session.scalars(query.options(selectinload(Officer.certificates))))
    if missing := [str(i) for i in wanted if i not in {o.id for o in found}]:
        raise InvalidInput("Not every officer named is known here.", officers=missing)
    if left := [o.name for o in found if o.status is OfficerStatus.LEFT]:
        raise InvalidInput("An officer named has left the bureau.", officers=left)
    if not any(officer.unit_id == unit_id for officer in found):
        raise InvalidInput("At least one officer must be of the unit that records it.")
    return found
