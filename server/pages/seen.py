"""A form that shows how something is must not undo what somebody else changed meanwhile."""

from __future__ import annotations

from uuid import UUID

from flask import request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.errors import ChangedMeanwhile
from evidence.turns import take_turn


def newest_change(session: Session, subject_id: UUID, kind: Kind) -> int:
    """What a form carries as `seen`: the position of the newest event `kind`, 0 for none."""
    query = select(func.max(CustodyEvent.position)).where(
        CustodyEvent.subject_id == subject_id, CustodyEvent.kind == kind.value
    )
    return session.scalar(query) or 0


def require_as_seen(session: Session, subject_id: UUID, kind: Kind) -> None:
    """Raise ChangedMeanwhile unless the form was made after the newest change."""
    take_turn(session, subject_id)
    if request.form.get("seen", type=int) != newest_change(session, subject_id, kind):
        raise ChangedMeanwhile
