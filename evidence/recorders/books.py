"""What the events of a recorder say of its place: which unit had it when, and since when it is so.

Moves are in no table of their own (DESIGN.md).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.reading import RecordedEvent, events_of
from evidence.recorders.models import Recorder

IN_THE_BOOKS = (Kind.RECORDER_REGISTERED, Kind.RECORDER_CHANGED)


def unit_at(session: Session, recorder: Recorder, at: dt.datetime) -> UUID:
    """The unit that had the recorder at that time; before its first event, the one before that.

    The present one where no event says another.
    """
    unit: Any = None
    for event in _events(session, recorder):
        if unit is None:
            unit = event.details.get("unit_before") or event.details.get("unit")
        if event.at <= at:
            unit = event.details.get("unit")
    try:
        return UUID(unit)
    except (TypeError, ValueError):
        return recorder.unit_id


def so_since(session: Session, recorder: Recorder) -> dt.datetime | None:
    """Since when it is with its unit and as usable as it is; None where it never was otherwise."""
    moved = (
        event.at
        for event in _events(session, recorder)
        if any(_changed(event, name) for name in ("unit", "status"))
    )
    return max(moved, default=None)


def _events(session: Session, recorder: Recorder) -> Iterator[RecordedEvent]:
    events = events_of(session, [recorder.id], IN_THE_BOOKS)
    return (event for event in events if event.state != "altered")


def _changed(event: RecordedEvent, name: str) -> bool:
    before = event.details.get(f"{name}_before")
    return before is not None and before != event.details.get(name)
