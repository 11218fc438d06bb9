"""Which exhibits a search can mean, newest first, without reading the whole table.

Every filter is a condition that holds by itself. What differs is which of them drives: the one
whose index yields the rows in order of `position`, so that reading stops when the page is full.
The others are set aside, checked row by row. Choosing wrongly costs time, never a wrong answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.visitors import InternalTraversal

from evidence.bigrams import words
from evidence.exhibits import text_search
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, Flag, MediaState
from evidence.exhibits.order import first_position, last_position
from evidence.exhibits.reach import linked_within, visible_to
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor

# Fewer rows than this are read and checked one by one sooner than an index of words is merged.
_FEW = 3000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What is asked for; all of it must hold. Times: from, included, until, excluded."""

    case_id: UUID | None = None
    inspection_id: UUID | None = None
    recorder_id: UUID | None = None
    officer_id: UUID | None = None  # the wearer
    unit_id: UUID | None = None
    received_from: dt.datetime | None = None
    received_until: dt.datetime | None = None
    recorded_from: dt.datetime | None = None
    recorded_until: dt.datetime | None = None
    state: ExhibitState | None = None
    media_state: MediaState | None = None
    flag: Flag | None = None
    text: str = ""  # every word, anywhere in label, names, recorder, linked number or party


class _Aside(ColumnElement[Any]):
    """A column that no index may serve: on SQLite `+column`, elsewhere the column."""

    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012

    def __init__(self, column: Any) -> None:
        self.column = column
        self.type = column.type


@compiles(_Aside)
def _plain(element: _Aside, compiler: Any, **kw: Any) -> str:
    return str(compiler.process(element.column, **kw))


@compiles(_Aside, "sqlite")
def _without_index(element: _Aside, compiler: Any, **kw: Any) -> str:
    return f"+{compiler.process(element.column, **kw)}"


def newest(
    session: Session, actor: Actor, filters: Filters, count: int, before: int | None = None
) -> list[int]:
    """The positions of the newest `count` matches, below `before`, greatest first."""
    found: set[int] = set()
    for query in _queries(session, actor, filters, before):
        found.update(session.scalars(query.limit(count)))
    return sorted(found, reverse=True)[:count]


def _queries(
    session: Session, actor: Actor, f: Filters, before: int | None
) -> Iterator[Select[int]]:
    """Queries whose union is the answer, each newest first, so that each may be cut off."""
    dialect = session.get_bind().dialect.name
    bounds = _bounds(f, before)
    checks = [*bounds, *_checks(actor, f)]
    in_words = _in_words(f, dialect)
    reached = access.units_in_scope(actor, Act.EXHIBIT_VIEW)
    units = frozenset({f.unit_id}) if f.unit_id else reached

    if f.case_id or f.inspection_id:
        yield _among(_linked(f)).where(*checks, *in_words)
    elif f.recorder_id:
        yield _by(Exhibit.recorder_id == f.recorder_id).where(*checks, *in_words)
    elif f.officer_id:
        yield _by(Exhibit.officer_id == f.officer_id).where(*checks, *in_words)
    elif in_words and dialect == "sqlite" and not _few(session, units):
        yield text_search.indexed(f.text, f.flag).where(*checks)
    elif f.unit_id:
        yield _by(Exhibit.unit_id == f.unit_id).where(*checks, *in_words)
    elif f.recorded_from and f.recorded_until and _few_recorded(session, f):
        yield _among(select(Exhibit.id).where(*_recorded(f, Exhibit.recorded_at))).where(
            *checks, *in_words
        )
    elif reached is not None:
        for unit_id in reached:
            yield _by(Exhibit.unit_id == unit_id).where(*checks, *in_words)
        yield _among(linked_within(actor, reached)).where(*checks, *in_words)
    elif f.media_state:
        yield _by(Exhibit.media_state == f.media_state).where(*checks, *in_words)
    elif f.state:
        yield _by(Exhibit.state == f.state).where(*checks, *in_words)
    else:
        yield _by().where(*checks, *in_words)


def _by(*driving: ColumnElement[bool]) -> Select[int]:
    """Read along the index of the driving column, which ends in `position`."""
    return select(Exhibit.position).where(*driving).order_by(Exhibit.position.desc())


def _among(ids: Select[UUID]) -> Select[int]:
    """Read these exhibits only, and sort them."""
    query = select(Exhibit.position).where(Exhibit.id.in_(ids))
    return query.order_by(_Aside(Exhibit.position).desc())


def _checks(actor: Actor, f: Filters) -> list[ColumnElement[bool]]:
    """Everything but words and the page's bounds, set aside, to be checked row by row."""
    checks: list[ColumnElement[bool]] = [visible_to(actor)]
    checks.extend(
        _Aside(getattr(Exhibit, name)) == getattr(f, name)
        for name in ("recorder_id", "officer_id", "unit_id", "state", "media_state")
        if getattr(f, name) is not None
    )
    if f.received_from:
        checks.append(_Aside(Exhibit.received_at) >= f.received_from)
    if f.received_until:
        checks.append(_Aside(Exhibit.received_at) < f.received_until)
    checks.extend(_recorded(f, _Aside(Exhibit.recorded_at)))
    if f.case_id and f.inspection_id:
        checks.append(Exhibit.id.in_(_linked(Filters(inspection_id=f.inspection_id))))
    return checks


def _bounds(f: Filters, before: int | None) -> list[ColumnElement[bool]]:
    """The stretch of positions that can hold the answer."""
    bounds: list[ColumnElement[bool]] = []
    if f.received_from:
        bounds.append(Exhibit.position >= first_position(f.received_from))
    if f.received_until:
        bounds.append(Exhibit.position <= last_position(f.received_until))
    if before is not None:
        bounds.append(Exhibit.position < before)
    return bounds


def _recorded(f: Filters, at: Any) -> list[ColumnElement[bool]]:
    bounds = []
    if f.recorded_from:
        bounds.append(at >= f.recorded_from)
    if f.recorded_until:
        bounds.append(at < f.recorded_until)
    return bounds


def _in_words(f: Filters, dialect: str) -> list[ColumnElement[bool]]:
    found = []
    if words(f.text):
        found.append(text_search.contains(f.text, dialect))
    if f.flag:
        found.append(text_search.flagged(f.flag))
    return found


def _linked(f: Filters) -> Select[UUID]:
    """What is linked to the case, or else to the inspection."""
    target = (
        ExhibitLink.case_id == f.case_id
        if f.case_id
        else ExhibitLink.inspection_id == f.inspection_id
    )
    return select(ExhibitLink.exhibit_id).where(ExhibitLink.unlinked_at.is_(None), target)


def _few(session: Session, units: frozenset[UUID] | None) -> bool:
    """Whether these units have so few exhibits that reading all of them is the quickest."""
    if units is None:
        return False
    own = select(Exhibit.position).where(Exhibit.unit_id.in_(units)).limit(_FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(own)) or 0) <= _FEW


def _few_recorded(session: Session, f: Filters) -> bool:
    query = select(Exhibit.recorded_at).where(*_recorded(f, Exhibit.recorded_at))
    counted = select(func.count()).select_from(query.limit(_FEW + 1).subquery())
    return (session.scalar(counted) or 0) <= _FEW
