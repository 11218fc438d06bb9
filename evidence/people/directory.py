"""Officers and units, as far as a reader's role shows them."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload, selectinload

from evidence import paging
from evidence.errors import NotFound
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act, Reach
from evidence.people.actor import Actor
from evidence.people.models import Certificate, Officer, OfficerStatus, Unit

_WITH_NAMES = (joinedload(Officer.unit), selectinload(Officer.certificates))


def find_officer(session: Session, officer_id: UUID, actor: Actor) -> Officer:
    """Raises NotFound, also where the actor may not know."""
    officer = session.scalar(select(Officer).where(Officer.id == officer_id).options(*_WITH_NAMES))
    if officer is None or not access.allows(
        actor, Act.PEOPLE_VIEW, Reach(unit_ids=frozenset({officer.unit_id}))
    ):
        raise NotFound
    return officer


def officers(
    session: Session,
    actor: Actor,
    *,
    text: str = "",
    unit_id: UUID | None = None,
    status: OfficerStatus | None = None,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Officer]:
    """One page of officers by badge. `text` is part of a name, badge or certificate number."""
    access.require(actor, Act.PEOPLE_VIEW)
    query = select(Officer).options(*_WITH_NAMES)
    units = access.units_in_scope(actor, Act.PEOPLE_VIEW)
    if units is not None:
        query = query.where(Officer.unit_id.in_(units))
    if unit_id:
        query = query.where(Officer.unit_id == unit_id)
    if status:
        query = query.where(Officer.status == status)
    if text.strip():
        part = text.strip()
        held = select(Certificate.officer_id).where(
            Certificate.number.icontains(part, autoescape=True)
        )
        query = query.where(
            or_(
                Officer.name.icontains(part, autoescape=True),
                Officer.badge.icontains(part, autoescape=True),
                Officer.id.in_(held),
            )
        )
    return paging.page(session, query, [(Officer.badge, str)], cursor, limit)


def units(
    session: Session,
    actor: Actor,
    *,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Unit]:
    """One page of units by name: the bureau's structure, for whoever may see any of its people."""
    access.require(actor, Act.PEOPLE_VIEW)
    query = select(Unit).options(joinedload(Unit.hands_over_to))
    return paging.page(session, query, [(Unit.name, str)], cursor, limit)
