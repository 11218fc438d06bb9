"""Contradictions between an exhibit's row and the log, with names in the place of identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from evidence.exhibits.contradictions import Contradiction, Member
from evidence.people.models import Officer, Unit
from evidence.recorders.models import Recorder

_TABLES: dict[Member, tuple[Any, str]] = {
    Member.RECORDER: (Recorder, "number"),
    Member.WEARER: (Officer, "name"),
    Member.LEDGER: (Officer, "name"),
    Member.UNIT: (Unit, "name"),
}


def with_names(session: Session, found: Sequence[Contradiction]) -> list[Contradiction]:
    """The same, readable; an identifier that nothing has stays as it is."""
    return [
        replace(c, row=_name(session, c.member, c.row), log=_name(session, c.member, c.log))
        for c in found
    ]


def _name(session: Session, member: Member, value: str | None) -> str | None:
    if value is None or member not in _TABLES:
        return value
    table, column = _TABLES[member]
    try:
        row = session.get(table, UUID(value))
    except ValueError:
        return value
    return str(getattr(row, column)) if row else value
