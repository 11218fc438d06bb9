"""A case's custody: its own events, and those of every exhibit that ever was linked to it."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.cases.models import Case
from evidence.cases.reach import reach_of
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.exhibits.models import ExhibitLink
from evidence.exhibits.timeline import Entry, timeline
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor


def case_timeline(session: Session, case: Case, by: Actor) -> list[Entry]:
    """All those events in the order of the log. Raises AccessDenied."""
    access.require(by, Act.CUSTODY_VIEW, reach_of(case))
    linked = select(ExhibitLink.exhibit_id).where(ExhibitLink.case_id == case.id).distinct()
    return timeline(session, [case.id, *session.scalars(linked)])


def record_view(session: Session, case: Case, by: Actor) -> None:
    """Somebody looked at the case. Raises AccessDenied."""
    access.require(by, Act.CASE_VIEW, reach_of(case))
    append(session, Kind.CASE_VIEWED, case.id, by, number=case.number)
