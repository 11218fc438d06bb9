"""A form that shows how something is must not undo what somebody else changed meanwhile."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.errors import ChangedMeanwhile
from evidence.turns import take_turn


def _newest_change(session: Session, subject_id: UUID, kind: Kind) -> int:
    """The position of the newest event `kind`, 0 for none."""
    query = select(func.max(CustodyEvent.position)).where(
        CustodyEvent.subject_id == subject_id, CustodyEvent.kind == kind.value
    )
    return session.scalar(query) or 0


def as_seen(session: Session, shown: Any, kind: Kind) -> int:
    """What a form about `shown` carries as `seen`.

    `shown` is read again after it: the form must not be older than what it says it has seen.
    """
    seen = _newest_change(session, shown.id, kind)
    session.refresh(shown)
    return seen


def require_as_seen(session: Session, subject_id: UUID, kind: Kind) -> None:
    """Raise ChangedMeanwhile unless the form was made after the newest change."""
    take_turn(session, subject_id)
    if request.form.get("seen", type=int) != _newest_change(session, subject_id, kind):
        raise ChangedMeanwhile
