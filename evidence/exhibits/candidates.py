"""Which exhibits a search can mean, newest first, without reading the whole table.

Every filter is a condition that holds by itself. What differs is which of them drives: the one
whose index yields the rows in order of `position`, so that reading stops when the page is full.
The others are set aside, checked row by row. Choosing wrongly costs time, never a wrong answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, func, select, union
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.visitors import InternalTraversal

from evidence.exhibits import text_search
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import (
    LONG_AFTER,
    RECEIVED_LONG_AFTER,
    Exhibit,
    ExhibitLink,
    ExhibitState,
    Fixity,
    MediaState,
)
from evidence.exhibits.order import first_position, last_position
from evidence.exhibits.reach import visible_to
from evidence.grams import words
from evidence.people import access
from evidence.people.access import Act
from evidence.people.actor import Actor

# Fewer rows than this are read and checked one by one sooner than an index of words is merged.
_FEW = 3000
# So many of one unit, recorder or officer are read and checked before an index that knows no order
# is asked: of flags, which stand in the row, and of words, which are looked up.
_NEWEST = 5000
_NEWEST_READ = 1000
# More than enough for what SQLite reckons in floating point.
_INEXACT = dt.timedelta(hours=1)
_LAST = dt.datetime.max.replace(tzinfo=dt.UTC) - LONG_AFTER - _INEXACT


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


class _TimeAside(_Aside):
    """The same of a time, of which PostgreSQL's statistics may say nothing either.

    It would reckon that of what was received before a day few were recorded before it, and read
    them all, to sort them.
    """

    inherit_cache = True


@compiles(_TimeAside, "postgresql")
def _without_statistics(element: _TimeAside, compiler: Any, **kw: Any) -> str:
    return f"({compiler.process(element.column, **kw)} + interval '0')"


def newest(
    session: Session, actor: Actor, filters: Filters, count: int, before: int | None = None
) -> list[int]:
    """The positions of the newest `count` matches, below `before`, greatest first."""
    since = _all_recorded_by(session, filters)
    if since is None:
        return _newest(session, actor, filters, count, before)
    # What was recorded and received since then, which nearly everything was, is not read.
    long_after = _received_long_after(session, filters, before).where(Exhibit.position >= since)
    late = list(session.scalars(long_after.where(visible_to(actor, few=True)).limit(count)))
    before = since if before is None else min(before, since)
    return late + _newest(session, actor, filters, count - len(late), before)


def _newest(
    session: Session, actor: Actor, filters: Filters, count: int, before: int | None
) -> list[int]:
    positions: Sequence[int] = []
    for query in _queries(session, actor, filters, count, before) if count else ():
        positions = session.scalars(query.limit(count)).all()
        if len(positions) == count:
            break
    return list(positions)


def _all_recorded_by(session: Session, f: Filters) -> int | None:
    """The position from which on nothing was recorded before a day but what came in long after.

    None where another condition leaves less to read.
    """
    if f.recorded_until is None or f.case_id or f.inspection_id or _in_words(f):
        return None
    if _few_recorded(session, f):
        return None
    return first_position(min(f.recorded_until, _LAST) + LONG_AFTER + _INEXACT)


def _received_long_after(session: Session, f: Filters, before: int | None) -> Select[int]:
    driving = RECEIVED_LONG_AFTER[session.get_bind().dialect.name]
    bounds = [*_bounds(f, before, Exhibit.position), *_recorded(f, _Aside(Exhibit.recorded_at))]
    return _along(*bounds).where(driving, *_checks(f))


def _queries(
    session: Session, actor: Actor, f: Filters, count: int, before: int | None
) -> Sequence[Select[int]]:
    """One query or more, newest first: the next is asked where the one before fills no page."""
    visible = visible_to(actor)
    bounds = partial(_bounds, f, before)
    checks = [*bounds(Exhibit.position), *_checks(f)]
    everything = [*checks, *_in_words(f)]
    in_links = [*everything, *bounds(ExhibitLink.exhibit_position)]
    reached = access.units_in_scope(actor, Act.EXHIBIT_VIEW)
    units = frozenset({f.unit_id}) if f.unit_id else reached
    label = text_search.as_label(f.text)

    def within(driving: ColumnElement[bool], newest: int) -> Sequence[Select[int]]:
        """Of one recorder, officer or unit: the newest row by row, then by the index of words."""
        walked = _newest_along(newest, driving, *bounds(Exhibit.position))
        by_index = text_search.indexed(session, f.text, f.flag, bounds)[-1]
        return [walked.where(*everything, visible), by_index.where(*checks, visible)]

    if f.case_id:
        return [_linked(ExhibitLink.case_id == f.case_id).where(visible, *in_links)]
    if f.inspection_id:
        return [_linked(ExhibitLink.inspection_id == f.inspection_id).where(visible, *in_links)]
    if label:
        return [_sorted(text_search.labelled(label)).where(visible, *checks)]
    if reached is not None and _few_within(session, reached, actor):
        return [_reached(actor, reached, everything, in_links, count)]
    for column, wanted in (
        (Exhibit.recorder_id, f.recorder_id),
        (Exhibit.officer_id, f.officer_id),
    ):
        if wanted and _in_words(f):
            return within(column == wanted, _NEWEST_READ if words(f.text) else _NEWEST)
        if wanted:
            return [_along(column == wanted).where(visible, *everything)]
    if _in_words(f) and not _few_in(session, units):
        if f.unit_id and not words(f.text):
            return within(Exhibit.unit_id == f.unit_id, _NEWEST)
        by_index = text_search.indexed(session, f.text, f.flag, bounds)
        return [each.where(visible, *checks) for each in by_index]
    if f.unit_id and (reached is None or f.unit_id in reached or _few_in(session, units)):
        return [_along(Exhibit.unit_id == f.unit_id).where(visible, *everything)]
    if (rare := _rare(session, f)) is not None:
        return [rare.where(visible_to(actor, few=True), *everything)]
    if reached is not None:
        return [_reached(actor, reached, everything, in_links, count)]
    return [_along().where(*everything)]


def _reached(
    actor: Actor,
    units: frozenset[UUID],
    everything: Sequence[ColumnElement[bool]],
    in_links: Sequence[ColumnElement[bool]],
    count: int,
) -> Select[int]:
    """All that one reaches, unit by unit: its own, and what is linked to something of it."""
    parts = [_linked(ExhibitLink.sent_to_id == actor.id).where(*in_links)]
    for unit_id in units:
        parts.append(_along(Exhibit.unit_id == unit_id).where(*everything))
        parts.append(_linked(ExhibitLink.unit_id == unit_id).where(*in_links))
    # Each stops when it has a page; SQLite takes an end of its own only in a query within.
    newest = (part.limit(count).subquery() for part in parts)
    found = union(*(select(*part.c) for part in newest)).subquery()
    return select(*found.c).order_by(*(column.desc() for column in found.c))


def _along(*driving: ColumnElement[bool]) -> Select[int]:
    """Read along the index of the driving column, which goes on with `position`."""
    return select(Exhibit.position).where(*driving).order_by(Exhibit.position.desc())


def _newest_along(count: int, *driving: ColumnElement[bool]) -> Select[int]:
    """The same, of the newest rows alone: what is not among them is for another query."""
    newest = _along(*driving).limit(count).subquery()
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
        .distinct()
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
        checks.append(_TimeAside(Exhibit.received_at) >= f.received_from)
    if f.received_until:
        checks.append(_TimeAside(Exhibit.received_at) < f.received_until)
    checks.extend(_recorded(f, _TimeAside(Exhibit.recorded_at)))
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


def _rare(session: Session, f: Filters) -> Select[int] | None:
    """Those that a condition leaves, where the filters have one that leaves few."""
    for name in ("fixity", "media_state", "state"):
        if wanted := getattr(f, name):
            condition = getattr(Exhibit, name) == wanted
            if _few(session, condition):
                return _along(condition)
    return _sorted(*_recorded(f, Exhibit.recorded_at)) if _few_recorded(session, f) else None


def _few_recorded(session: Session, f: Filters) -> bool:
    """Whether it is between two days, and few were recorded between them."""
    bounds = _recorded(f, Exhibit.recorded_at)
    return len(bounds) > 1 and _few(session, and_(*bounds))


def _few(
    session: Session, condition: ColumnElement[bool], of: type[Exhibit | ExhibitLink] = Exhibit
) -> bool:
    some = select(1).select_from(of).where(condition).limit(_FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) <= _FEW
