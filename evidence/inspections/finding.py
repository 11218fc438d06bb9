"""Finding inspections: one by its id, or many; within the actor's reach."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from evidence import paging
from evidence.errors import NotFound
from evidence.inspections.models import Inspection, InspectionOfficer, InspectionResult
from evidence.inspections.reach import reach_of, visible_to
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor

_WITH_NAMES = (joinedload(Inspection.unit), selectinload(Inspection.officers))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is asked for; all of it must hold."""

    text: str = ""  # part of party or place
    unit_id: UUID | None = None
    officer_id: UUID | None = None
    result: InspectionResult | None = None
    started_from: dt.datetime | None = None
    started_until: dt.datetime | None = None  # excluded


def find(session: Session, inspection_id: UUID, actor: Actor) -> Inspection:
    """The inspection. Raises NotFound also where the actor may not know that it exists."""
    inspection = session.scalar(
        select(Inspection).where(Inspection.id == inspection_id).options(*_WITH_NAMES)
    )
    if inspection is None or not access.allows(actor, Act.INSPECTION_VIEW, reach_of(inspection)):
        raise NotFound
    return inspection


def search(
    session: Session,
    actor: Actor,
    filters: Filters,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Inspection]:
    """One page of inspections, newest begun first. Raises AccessDenied, InvalidInput."""
    access.require(actor, Act.INSPECTION_VIEW)
    f = filters
    query = select(Inspection).where(visible_to(actor)).options(*_WITH_NAMES)
    if f.unit_id:
        query = query.where(Inspection.unit_id == f.unit_id)
    if f.result:
        query = query.where(Inspection.result == f.result)
    if f.started_from:
        query = query.where(Inspection.started_at >= f.started_from)
    if f.started_until:
        query = query.where(Inspection.started_at < f.started_until)
    if f.officer_id:
        attended = select(InspectionOfficer.inspection_id).where(
            InspectionOfficer.officer_id == f.officer_id
        )
        query = query.where(Inspection.id.in_(attended))
    if part := f.text.strip():
        query = query.where(
            or_(
                Inspection.party.icontains(part, autoescape=True),
                Inspection.place.icontains(part, autoescape=True),
            )
        )
    by = [(Inspection.started_at, dt.datetime), (Inspection.id, UUID)]
    return paging.page(session, query, by, cursor, limit, newest_first=True)
