"""Finding cases: by id, by what a person writes as its number, or many; within the reach."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select
from sqlalchemy.orm import Session, joinedload

from evidence import paging
from evidence.cases import numbers
from evidence.cases.models import Case, Sector, Stage
from evidence.cases.numbers import CaseNumber
from evidence.cases.reach import reach_of, visible_to
from evidence.errors import CaseNotFound, MalformedCaseNumber, NotFound
from evidence.paging import Page
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor

_WITH_NAMES = (joinedload(Case.unit), joinedload(Case.handler), joinedload(Case.reviewer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is asked for; all of it must hold."""

    text: str = ""  # part of the number or the party
    stage: Stage | None = None
    sector: Sector | None = None
    unit_id: UUID | None = None
    handler_id: UUID | None = None
    filed_from: dt.date | None = None
    filed_until: dt.date | None = None  # excluded


def find(session: Session, case_id: UUID, actor: Actor) -> Case:
    """The case. Raises NotFound also where the actor may not know that it exists."""
    case = session.scalar(select(Case).where(Case.id == case_id).options(*_WITH_NAMES))
    if case is None or not access.allows(actor, Act.CASE_VIEW, reach_of(case)):
        raise NotFound
    return case


def find_by_number(session: Session, raw: str, actor: Actor) -> Case:
    """The case that a person means by `raw`. Raises MalformedCaseNumber, CaseNotFound."""
    number = numbers.parse(raw)
    case = session.scalar(select(Case).where(has_number(number)).options(*_WITH_NAMES))
    if case is None or not access.allows(actor, Act.CASE_VIEW, reach_of(case)):
        raise CaseNotFound(
            f"There is no case {number.text} here, or you may not see it. "
            "Check year and sequence number.",
            number=number.text,
        )
    return case


def has_number(number: CaseNumber) -> ColumnElement[bool]:
    org, kind, year, seq = number.key
    return (
        (Case.number_org == org)
        & (Case.number_kind == kind)
        & (Case.number_year == year)
        & (Case.number_seq == seq)
    )


def search(
    session: Session,
    actor: Actor,
    filters: Filters,
    cursor: str | None = None,
    limit: int = paging.DEFAULT_LIMIT,
) -> Page[Case]:
    """One page of cases, newest filed first. Raises AccessDenied, InvalidInput."""
    access.require(actor, Act.CASE_VIEW)
    query = _filtered(select(Case), filters).where(visible_to(actor)).options(*_WITH_NAMES)
    by = [(Case.filed_on, dt.date), (Case.id, UUID)]
    return paging.page(session, query, by, cursor, limit, newest_first=True)


def _filtered(query: Select[Case], f: Filters) -> Select[Case]:
    for column, value in (
        (Case.stage, f.stage),
        (Case.sector, f.sector),
        (Case.unit_id, f.unit_id),
        (Case.handler_id, f.handler_id),
    ):
        if value is not None:
            query = query.where(column == value)
    if f.filed_from:
        query = query.where(Case.filed_on >= f.filed_from)
    if f.filed_until:
        query = query.where(Case.filed_on < f.filed_until)
    if f.text.strip():
        query = query.where(_means(f.text.strip()))
    return query


def _means(text: str) -> ColumnElement[bool]:
    """A whole number however it is written, or else a part of the number or the party."""
    part = or_(
        Case.number.contains(text, autoescape=True), Case.party.icontains(text, autoescape=True)
    )
    try:
        return or_(has_number(numbers.parse(text)), part)
    except MalformedCaseNumber:
        return part
