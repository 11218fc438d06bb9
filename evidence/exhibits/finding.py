"""Finding exhibits: one by its id, or many by filters, always within the actor's reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, selectinload

from evidence import paging
from evidence.errors import NotFound
from evidence.exhibits import candidates
from evidence.exhibits.candidates import Filters
from evidence.exhibits.models import Exhibit
from evidence.exhibits.reach import reach_of
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor
from evidence.people.models import Officer

__all__ = ["Facets", "Filters", "allowed", "facets", "find", "search"]

FACET_ROWS = 5000
_WITH_NAMES = (
    joinedload(Exhibit.recorder),
    joinedload(Exhibit.officer).joinedload(Officer.unit),
    joinedload(Exhibit.unit),
    selectinload(Exhibit.links),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """How many exhibits have each value, among the newest FACET_ROWS that match.

    `more` says that there are more than those: then every count is a least count.
    """

    total: int
    more: bool
    states: Mapping[str, int]
    media_states: Mapping[str, int]
    units: Mapping[UUID, int]
    recorders: Mapping[UUID, int]
    flags: Mapping[str, int]


def find(session: Session, exhibit_id: UUID, actor: Actor) -> Exhibit:
    """The exhibit. Raises NotFound also where the actor may not know that it exists."""
    exhibit = session.scalar(select(Exhibit).where(Exhibit.id == exhibit_id).options(*_WITH_NAMES))
    if exhibit is None or not access.allows(actor, Act.EXHIBIT_VIEW, reach_of(exhibit)):
        raise NotFound
    return exhibit


def allowed(session: Session, exhibit_id: UUID, actor: Actor, act: Act) -> Exhibit:
    """The exhibit, where the actor may also do `act` to it. Raises NotFound, AccessDenied."""
    exhibit = find(session, exhibit_id, actor)
    access.require(actor, act, reach_of(exhibit))
    return exhibit


def search(
    session: Session,
    actor: Actor,
    filters: Filters,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Exhibit]:
    """One page of what matches, newest received first; rows filed meanwhile move nothing.

    Raises AccessDenied where the actor may view no exhibit at all, InvalidInput for a wrong
    limit or cursor.
    """
    access.require(actor, Act.EXHIBIT_VIEW)
    paging.check_limit(limit)
    before: int | None = paging.decode(cursor, [int])[0] if cursor else None
    positions = candidates.newest(session, actor, filters, limit + 1, before)
    exhibits: Sequence[Exhibit] = session.scalars(
        select(Exhibit)
        .where(Exhibit.position.in_(positions[:limit]))
        .order_by(Exhibit.position.desc())
        .options(*_WITH_NAMES)
    ).all()
    more = len(positions) > limit
    return Page(items=exhibits, next=paging.encode([positions[limit - 1]]) if more else None)


def facets(session: Session, actor: Actor, filters: Filters) -> Facets:
    """Counts to narrow a search by. Raises AccessDenied like `search`."""
    access.require(actor, Act.EXHIBIT_VIEW)
    positions = candidates.newest(session, actor, filters, FACET_ROWS + 1)
    more = len(positions) > FACET_ROWS
    positions = positions[:FACET_ROWS]
    columns = (
        Exhibit.state,
        Exhibit.media_state,
        Exhibit.unit_id,
        Exhibit.recorder_id,
        Exhibit.flags,
    )
    rows = session.execute(select(*columns).where(Exhibit.position.in_(positions))).all()
    return Facets(
        total=len(positions),
        more=more,
        states=Counter(row.state.value for row in rows),
        media_states=Counter(row.media_state.value for row in rows),
        units=Counter(row.unit_id for row in rows if row.unit_id),
        recorders=Counter(row.recorder_id for row in rows if row.recorder_id),
        flags=Counter(flag for row in rows for flag in row.flags),
    )
