"""Appending an event: the one way in, inside the transaction of the act itself.

What is stored and hashed are the canonical bytes made here, once (RFC 8785); they are never
rebuilt from columns.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import os
import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import rfc8785
from sqlalchemy import insert, select, text
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.kinds import DETAILS, Kind, SubjectType
from evidence.custody.models import CustodyEvent
from evidence.errors import EventInvalid, IdentifierReused
from evidence.people.actor import Actor
from evidence.turns import take_turn

_LARGEST_INTEGER = 2**53 - 1
_SUBJECT_TYPES = {kind: SubjectType(kind.value.split(":")[0]).value for kind in Kind}
# Not by the session's unit of work, which takes longer; nobody asks for the position here.
_INSERT = insert(CustodyEvent).inline()
# One statement for many, on PostgreSQL: psycopg would send each row by itself.
_INSERT_ARRAYS = text(
    "INSERT INTO custody_events (id, at, kind, subject_type, subject_id, actor_type, actor_id, via,"
    " canonical, entry) SELECT id, at, :kind, :subject_type, subject_id, :actor_type, :actor_id,"
    " :via, canonical, entry FROM unnest(CAST(:id AS uuid[]), CAST(:at AS timestamptz[]),"
    " CAST(:subject_id AS uuid[]), CAST(:canonical AS bytea[]), CAST(:entry AS bytea[]))"
    " AS given (id, at, subject_id, canonical, entry)"
)
_OF_EACH = ("id", "at", "subject_id", "canonical", "entry")
# RFC 8785 orders names by UTF-16 units, which up to the surrogates is the order of characters.
_ENCODE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode
_BEYOND_SURROGATES = re.compile("[\ue000-\U0010ffff]")


def timestamp(moment: dt.datetime) -> str:
    """RFC 3339 in UTC with microseconds and Z."""
    naive = moment.astimezone(dt.UTC).replace(tzinfo=None)
    return f"{naive.isoformat(timespec='microseconds')}Z"


def append(
    session: Session,
    kind: Kind,
    subject_id: UUID,
    by: Actor,
    *,
    event_id: UUID | None = None,
    **details: Any,
) -> UUID:
    """Write the event `kind` about `subject_id`, done by `by`, and give its id; not committed.

    The same `event_id` with the same content is the same event and changes nothing. Raises
    EventInvalid where `details` are not what kinds.DETAILS asks, IdentifierReused where the
    identifier stands for another event.
    """
    _check_members(kind, details)
    take_turn(session, subject_id)
    retryable, event_id = event_id is not None, event_id or uuid4()
    content = _content(kind, event_id, subject_id, by, details)
    if retryable:
        known = session.scalar(select(CustodyEvent.canonical).where(CustodyEvent.id == event_id))
        if known is not None:
            _require_same(event_id, known, content)
            return event_id
    _write(session, [_row(kind, event_id, subject_id, by, content)])
    return event_id


def append_each(
    session: Session, kind: Kind, details: Mapping[UUID, Mapping[str, Any]], by: Actor
) -> list[UUID]:
    """Write one event `kind` about each subject, with its details; the ids, in that order.

    One act on many things: one statement, and one turn with all of them. Raises EventInvalid.
    """
    for said in details.values():
        _check_members(kind, said)
    take_turn(session, *details)
    rows = []
    for subject_id, said in details.items():
        content = _content(kind, event_id := uuid4(), subject_id, by, said)
        rows.append(_row(kind, event_id, subject_id, by, content))
    if rows:
        _write(session, rows)
    return [row["id"] for row in rows]


def _write(session: Session, rows: list[dict[str, Any]]) -> None:
    """Events of one kind by one actor."""
    connection = session.connection()
    if len(rows) > 1 and connection.dialect.name == "postgresql":
        each = {name: [row[name] for row in rows] for name in _OF_EACH}
        connection.execute(_INSERT_ARRAYS, {**rows[0], **each})
    else:
        connection.execute(_INSERT, rows)


def _content(
    kind: Kind, event_id: UUID, subject_id: UUID, by: Actor, details: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "v": 1,
        "id": str(event_id),
        "kind": kind.value,
        "subject": {"type": _SUBJECT_TYPES[kind], "id": str(subject_id)},
        "actor": {"type": by.type.value, "id": str(by.id), "via": by.via.value},
        "details": details,
    }


def _row(
    kind: Kind, event_id: UUID, subject_id: UUID, by: Actor, content: Mapping[str, Any]
) -> dict[str, Any]:
    at, salt = clock.now(), base64.b64encode(os.urandom(16)).decode()
    said = canonical({**content, "at": timestamp(at), "salt": salt})
    return {
        "id": event_id,
        "at": at,
        "kind": kind.value,
        "subject_type": _SUBJECT_TYPES[kind],
        "subject_id": subject_id,
        "actor_type": by.type.value,
        "actor_id": by.id,
        "via": by.via.value,
        "canonical": said,
        "entry": hashlib.sha256(said).digest(),
    }


def _check_members(kind: Kind, details: Mapping[str, Any]) -> None:
    declared = DETAILS[kind]
    needed = {name for name in declared if not name.endswith("?")}
    known = {name.rstrip("?") for name in declared}
    if missing := needed - details.keys():
        raise EventInvalid(f"{kind} lacks {', '.join(sorted(missing))}.")
    if strange := details.keys() - known:
        raise EventInvalid(f"{kind} has no member {', '.join(sorted(strange))}.")
    _check_value(dict(details))


def _check_value(value: Any) -> None:
    """Only what has one canonical form everywhere: no floats, no great integers, no surrogates."""
    match value:
        case None | bool():
            return
        case str():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise EventInvalid("A text holds half of a surrogate pair.") from None
        case int():
            if abs(value) > _LARGEST_INTEGER:
                raise EventInvalid("An integer is too large to be exact everywhere.")
        case list():
            for item in value:
                _check_value(item)
        case dict():
            for name, item in value.items():
                if not isinstance(name, str):
                    raise EventInvalid("A member's name is a text.")
                _check_value(name)
                _check_value(item)
        case _:
            raise EventInvalid(f"A {type(value).__name__} cannot stand in an event.")


def canonical(content: dict[str, Any]) -> bytes:
    """RFC 8785, of what _check_value lets pass."""
    said = _ENCODE(content)
    return rfc8785.dumps(content) if _BEYOND_SURROGATES.search(said) else said.encode()


def _require_same(event_id: UUID, known: bytes, content: dict[str, Any]) -> None:
    """That `known` says what `content` says; the clock and the salt are the first's."""
    said = json.loads(known)
    del said["at"], said["salt"]
    if canonical(said) != canonical(content):
        raise IdentifierReused(event=str(event_id))
