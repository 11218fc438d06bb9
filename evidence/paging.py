"""Lists in pages that stay put while rows are added: each page goes on after a key, not a count.

A cursor is the key of the last row of the page before, as base64 of JSON. It is opaque to
clients and grants nothing: what a reader may see is asked again on every page.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_
from sqlalchemy.orm import InstrumentedAttribute, Session

from evidence.errors import InvalidInput

MAX_LIMIT = 200
DEFAULT_LIMIT = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[T]):
    """Some rows in order, and the cursor of what follows; None where nothing does."""

    items: Sequence[T]
    next: str | None = None


def check_limit(limit: int) -> int:
    """`limit` where it is 1 to 200. Raises InvalidInput."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"A page has 1 to {MAX_LIMIT} rows.", limit=limit)
    return limit


def encode(key: Sequence[str | int]) -> str:
    """The cursor for a key."""
    text = json.dumps(list(key), separators=(",", ":"), ensure_ascii=True)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The key in `cursor`, whose members must be of `kinds`. Raises InvalidInput."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if not isinstance(key, list) or len(key) != len(kinds):
            raise ValueError
        return [_READ[kind](member) for kind, member in zip(kinds, key, strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error):
        raise InvalidInput("This cursor is not one that this server gave out.") from None


def _integer(member: object) -> int:
    if type(member) is not int or not -(2**63) <= member < 2**63:
        raise ValueError
    return member


def _text(member: object) -> str:
    if not isinstance(member, str):
        raise ValueError
    return member


def _time(member: object) -> dt.datetime:
    at = dt.datetime.fromisoformat(_text(member))
    if at.tzinfo is None:
        raise ValueError
    return at


_READ: dict[type, Callable[[object], Any]] = {
    int: _integer,
    str: _text,
    dt.datetime: _time,
    dt.date: lambda member: dt.date.fromisoformat(_text(member)),
    UUID: lambda member: UUID(_text(member)),
}


def _written(value: Any) -> str | int:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return value if isinstance(value, int) else str(value)


def page(
    session: Session,
    query: Select[T],
    by: Sequence[tuple[InstrumentedAttribute[Any], type]],
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool = False,
) -> Page[T]:
    """One page of `query` in the order of the columns `by`, the last of them unique.

    Raises InvalidInput for a limit out of range or a cursor from elsewhere.
    """
    check_limit(limit)
    columns = [column for column, _ in by]
    if cursor:
        key = decode(cursor, [kind for _, kind in by])
        query = query.where(_beyond(columns, key, newest_first))
    order = [column.desc() if newest_first else column.asc() for column in columns]
    rows = list(session.scalars(query.order_by(*order).limit(limit + 1)).unique())
    more = len(rows) > limit
    rows = rows[:limit]
    last = encode([_written(getattr(rows[-1], c.key)) for c in columns]) if more else None
    return Page(items=rows, next=last)


def _beyond(
    columns: Sequence[InstrumentedAttribute[Any]], key: Sequence[Any], newest_first: bool
) -> ColumnElement[bool]:
    """Rows after `key`: the first column decides, then the next where it is equal."""
    column, value = columns[0], key[0]
    after: ColumnElement[bool] = column < value if newest_first else column > value
    if len(columns) == 1:
        return after
    return or_(after, and_(column == value, _beyond(columns[1:], key[1:], newest_first)))
