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
from typing import Any
from uuid import UUID, uuid4

import rfc8785
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.kinds import DETAILS, Kind, SubjectType
from evidence.custody.models import CustodyEvent
from evidence.errors import EventInvalid, IdentifierReused
from evidence.people.actor import Actor
from evidence.turns import take_turn

_LARGEST_INTEGER = 2**53 - 1


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
) -> CustodyEvent:
    """Add the event `kind` about `subject_id`, done by `by`; added, not committed.

    The same `event_id` with the same content is the same event and changes nothing. Raises
    EventInvalid where `details` are not what kinds.DETAILS asks, IdentifierReused where the
    identifier stands for another event.
    """
    _check_members(kind, details)
    take_turn(session, subject_id)
    retryable, event_id = event_id is not None, event_id or uuid4()
    at = clock.now()
    content: dict[str, Any] = {
        "v": 1,
        "id": str(event_id),
        "kind": kind.value,
        "subject": {"type": SubjectType(kind.value.split(":")[0]).value, "id": str(subject_id)},
        "actor": {"type": by.type.value, "id": str(by.id), "via": by.via.value},
        "details": details,
    }
    if retryable:
        known = session.scalar(select(CustodyEvent).where(CustodyEvent.id == event_id))
        if known is not None:
            return _same(known, content)
    salt = base64.b64encode(os.urandom(16)).decode()
    canonical = _canonical({**content, "at": timestamp(at), "salt": salt})
    event = CustodyEvent(
        id=event_id,
        at=at,
        kind=kind.value,
        subject_type=content["subject"]["type"],
        subject_id=subject_id,
        actor_type=by.type.value,
        actor_id=by.id,
        via=by.via.value,
        canonical=canonical,
        entry=hashlib.sha256(canonical).digest(),
    )
    # Flushed with its act, many in one statement; positions follow the order of the calls.
    session.add(event)
    return event


def _check_members(kind: Kind, details: dict[str, Any]) -> None:
    declared = DETAILS[kind]
    needed = {name for name in declared if not name.endswith("?")}
    known = {name.rstrip("?") for name in declared}
    if missing := needed - details.keys():
        raise EventInvalid(f"{kind} lacks {', '.join(sorted(missing))}.")
    if strange := details.keys() - known:
        raise EventInvalid(f"{kind} has no member {', '.join(sorted(strange))}.")
    _check_value(details)


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


def _canonical(content: dict[str, Any]) -> bytes:
    try:
        return rfc8785.dumps(content)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise EventInvalid(str(error)) from None


def _same(known: CustodyEvent, content: dict[str, Any]) -> CustodyEvent:
    """`known` again, if it says what `content` says; the clock and the salt are the first's."""
    said = json.loads(known.canonical)
    del said["at"], said["salt"]
    if rfc8785.dumps(said) != _canonical(content):
        raise IdentifierReused(event=str(known.id))
    return known
