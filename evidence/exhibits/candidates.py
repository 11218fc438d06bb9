"""Which exhibits a search can mean, newest first, without reading the whole table.

Every filter is a condition that holds by itself. What differs is which of them drives: the one
whose index yields the rows in order of `position`, so that reading stops when the page is full.
The others are set aside, checked row by row. Choosing wrongly costs time, never a wrong answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.visitors import InternalTraversal

from evidence.exhibits import text_search
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, Fixity, MediaState
from evidence.exhibits.order import first_position, last_position
from evidence.exhibits.reach import visible_to
from evidence.grams import words
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor

# Fewer rows than this are read and checked one by one sooner than an index of words is merged.
_FEW = 3000
# So many of a unit's are read and checked before an index that knows no order is asked.
_NEWEST = 5000


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
    fixity: Fixity | None = None
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
    for alternatives in _queries(session, actor, filters, before):
        for query in alternatives:
            positions = session.scalars(query.limit(count)).all()
            if len(positions) == count:
                break
        found.update(positions)
    return sorted(found, reverse=True)[:count]


def _queries(
    session: Session, actor: Actor, f: Filters, before: int | None
) -> Iterator[Sequence[Select[int]]]:
    """Queries whose union is the answer, each newest first, so that each may be cut off.

    Of those that come together, the next is asked only where the one before fills no page.
    """
    visible = visible_to(actor)
    checks = [*_bounds(f, before, Exhibit.position), *_checks(f)]
    everything = [*checks, *_in_words(f)]
    in_links = [*everything, *_bounds(f, before, ExhibitLink.exhibit_position)]
    reached = access.units_in_scope(actor, Act.EXHIBIT_VIEW)
    units = frozenset({f.unit_id}) if f.unit_id else reached
    label = text_search.as_label(f.text)

    if f.case_id:
        yield [_linked(ExhibitLink.case_id == f.case_id).where(visible, *in_links)]
    elif f.inspection_id:
        yield [_linked(ExhibitLink.inspection_id == f.inspection_id).where(visible, *in_links)]
    elif label:
        yield [_sorted(text_search.labelled(label)).where(visible, *checks)]
    elif reached is not None and _few_within(session, reached, actor):
        yield from _reached(actor, reached, everything, in_links)
    elif f.recorder_id:
        yield [_along(Exhibit.recorder_id == f.recorder_id).where(visible, *everything)]
    elif f.officer_id:
        yield [_along(Exhibit.officer_id == f.officer_id).where(visible, *everything)]
    elif f.flag and not words(f.text) and f.unit_id and not _few_in(session, units):
        of_unit, bounds = Exhibit.unit_id == f.unit_id, partial(_bounds, f, before)
        walked = _newest_along(of_unit, *bounds(Exhibit.position))
        flagged = text_search.indexed(session, "", f.flag, bounds)[-1]
        yield [each.where(visible, *everything) for each in (walked, flagged)]
    elif _in_words(f) and not _few_in(session, units):
        bounds = partial(_bounds, f, before)
        by_index = text_search.indexed(session, f.text, f.flag, bounds)
        yield [each.where(visible, *checks) for each in by_index]
    elif f.unit_id and (reached is None or f.unit_id in reached or _few_in(session, units)):
        yield [_along(Exhibit.unit_id == f.unit_id).where(visible, *everything)]
    elif rare := _rare(session, f):
        yield [_sorted(*rare).where(visible, *everything)]
    elif reached is not None:
        yield from _reached(actor, reached, everything, in_links)
    else:
        yield [_along().where(*everything)]


def _reached(
    actor: Actor,
    units: frozenset[UUID],
    everything: Sequence[ColumnElement[bool]],
    in_links: Sequence[ColumnElement[bool]],
) -> Iterator[Sequence[Select[int]]]:
    """All that one reaches, unit by unit: its own, and what is linked to something of it."""
    for unit_id in units:
        yield [_along(Exhibit.unit_id == unit_id).where(*everything)]
        yield [_linked(ExhibitLink.unit_id == unit_id).where(*in_links)]
    yield [_linked(ExhibitLink.sent_to_id == actor.id).where(*in_links)]


def _along(*driving: ColumnElement[bool]) -> Select[int]:
    """Read along the index of the driving column, which goes on with `position`."""
    return select(Exhibit.position).where(*driving).order_by(Exhibit.position.desc())


def _newest_along(*driving: ColumnElement[bool]) -> Select[int]:
    """The same, of the newest rows alone: what is not among them is for another query."""
    newest = _along(*driving).limit(_NEWEST).subquery()
    return (
        select(Exhibit.position)
        .join_from(newest, Exhibit, Exhibit.position == newest.c.position)
        .order_by(newest.c.position.desc())
    )


def _sorted(*driving: ColumnElement[bool]) -> Select[int]:
    """Read the few rows that the driving condition leaves, and sort them."""
    return select(Exhibit.position).where(*driving).order_by(_Aside(Exhibit.position).desc())


def _linked(target: ColumnElement[bool]) -> Select[int]:
    """Read along the open links of a target, which know their exhibit's position."""
    return (
        select(ExhibitLink.exhibit_position)
        .join(Exhibit, Exhibit.position == ExhibitLink.exhibit_position)
        .where(ExhibitLink.unlinked_at.is_(None), target)
        .order_by(ExhibitLink.exhibit_position.desc())
    )


def _checks(f: Filters) -> list[ColumnElement[bool]]:
    """Everything but words and the page's bounds, set aside, to be checked row by row."""
    checks: list[ColumnElement[bool]] = []
    checks.extend(
        _Aside(getattr(Exhibit, name)) == getattr(f, name)
        for name in ("recorder_id", "officer_id", "unit_id", "state", "media_state", "fixity")
        if getattr(f, name) is not None
    )
    if f.received_from:
        checks.append(_Aside(Exhibit.received_at) >= f.received_from)
    if f.received_until:
        checks.append(_Aside(Exhibit.received_at) < f.received_until)
    checks.extend(_recorded(f, _Aside(Exhibit.recorded_at)))
    if f.case_id and f.inspection_id:
        link = aliased(ExhibitLink)
        both = select(1).where(
            link.exhibit_id == Exhibit.id,
            link.inspection_id == f.inspection_id,
            link.unlinked_at.is_(None),
        )
        checks.append(both.exists())
    return checks


def _bounds(f: Filters, before: int | None, position: Any) -> list[ColumnElement[bool]]:
    """The stretch of positions that can hold the answer."""
    bounds: list[ColumnElement[bool]] = []
    if f.received_from:
        bounds.append(position >= first_position(f.received_from))
    if f.received_until:
        bounds.append(position <= last_position(f.received_until))
    if before is not None:
        bounds.append(position < before)
    return bounds


def _recorded(f: Filters, at: Any) -> list[ColumnElement[bool]]:
    bounds = []
    if f.recorded_from:
        bounds.append(at >= f.recorded_from)
    if f.recorded_until:
        bounds.append(at < f.recorded_until)
    return bounds


def _in_words(f: Filters) -> list[ColumnElement[bool]]:
    found = []
    if words(f.text):
        found.append(text_search.contains(f.text))
    if f.flag:
        found.append(text_search.flagged(f.flag))
    return found


def _few_within(session: Session, units: frozenset[UUID], actor: Actor) -> bool:
    """Whether one reaches so little that all of it is read sooner than what others have, too."""
    is_open = ExhibitLink.unlinked_at.is_(None)
    return (
        _few(session, Exhibit.unit_id.in_(units))
        and _few(session, and_(is_open, ExhibitLink.unit_id.in_(units)), ExhibitLink)
        and _few(session, and_(is_open, ExhibitLink.sent_to_id == actor.id), ExhibitLink)
    )


def _few_in(session: Session, units: frozenset[UUID] | None) -> bool:
    """Whether these units have so few exhibits that reading all of them is the quickest."""
    return units is not None and _few(session, Exhibit.unit_id.in_(units))


def _rare(session: Session, f: Filters) -> list[ColumnElement[bool]]:
    """A condition that leaves few exhibits, if the filters have one; otherwise nothing."""
    found = [
        getattr(Exhibit, name) == getattr(f, name)
        for name in ("fixity", "media_state", "state")
        if getattr(f, name) is not None
    ]
    if f.recorded_from and f.recorded_until:
        found.append(and_(*_recorded(f, Exhibit.recorded_at)))
    return next(([condition] for condition in found if _few(session, condition)), [])


def _few(
    session: Session, condition: ColumnElement[bool], of: type[Exhibit | ExhibitLink] = Exhibit
) -> bool:
    some = select(1).select_from(of).where(condition).limit(_FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) <= _FEW
