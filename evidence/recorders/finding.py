"""Finding recorders, and the ledger of who had one when; within the actor's reach."""

from __future__ import annotations

import datetime as dt
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session, joinedload

from evidence import paging
from evidence.errors import NotFound
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act, Reach
from evidence.people.actor import Actor
from evidence.recorders.ledger import find_by_number
from evidence.recorders.models import Checkout, Recorder, RecorderStatus


def find(session: Session, name: str, actor: Actor) -> Recorder:
    """By its id, or its number however written. Raises NotFound, also where out of reach."""
    try:
        recorder = session.get(Recorder, UUID(name))
    except ValueError:
        recorder = find_by_number(session, name)
    if recorder is None or not access.allows(
        actor, Act.RECORDER_VIEW, Reach(unit_ids=frozenset({recorder.unit_id}))
    ):
        raise NotFound
    return recorder


def search(
    session: Session,
    actor: Actor,
    *,
    text: str = "",
    unit_id: UUID | None = None,
    status: RecorderStatus | None = None,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Recorder]:
    """One page of recorders by number. `text` is part of number, serial or model."""
    access.require(actor, Act.RECORDER_VIEW)
    query = select(Recorder).options(joinedload(Recorder.unit))
    units = access.units_in_scope(actor, Act.RECORDER_VIEW)
    if units is not None:
        query = query.where(Recorder.unit_id.in_(units))
    if unit_id:
        query = query.where(Recorder.unit_id == unit_id)
    if status:
        query = query.where(Recorder.status == status)
    if part := text.strip():
        columns = (Recorder.number, Recorder.serial, Recorder.model)
        query = query.where(or_(*(c.icontains(part, autoescape=True) for c in columns)))
    return paging.page(session, query, [(Recorder.number, str)], cursor, limit)


def checkouts(
    session: Session,
    recorder: Recorder,
    *,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Checkout]:
    """One page of a recorder's ledger, newest first."""
    query = (
        select(Checkout)
        .where(Checkout.recorder_id == recorder.id)
        .options(joinedload(Checkout.officer), joinedload(Checkout.unit))
    )
    by = [(Checkout.checked_out_at, dt.datetime), (Checkout.id, UUID)]
    return paging.page(session, query, by, cursor, limit, newest_first=True)
