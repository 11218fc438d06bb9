"""What the media tools read of an exhibit, written down beside it, with its event."""

from __future__ import annotations

from uuid import uuid5

from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit, MediaState
from evidence.exhibits.reading import MediaReading
from evidence.people.actor import SYSTEM
from evidence.turns import take_turn


def record_media(session: Session, exhibit: Exhibit, reading: MediaReading) -> None:
    """Write what was read; a second time changes nothing."""
    take_turn(session, exhibit.id)
    session.refresh(exhibit, ["media_state", "flags"])
    if exhibit.media_state is not MediaState.PENDING:
        return
    exhibit.media_state = reading.state
    exhibit.media_type = reading.media_type
    exhibit.media_facts = reading.details
    exhibit.media_problem = reading.problem and reading.problem.replace("\0", " ")
    exhibit.duration_ms = reading.duration_ms
    exhibit.width, exhibit.height = reading.width, reading.height
    exhibit.poster_sha256 = reading.poster_sha256
    if reading.contradicts_name:
        exhibit.flags = sorted({*exhibit.flags, Flag.CONTENT_MISMATCH.value})
    said: dict[str, str] = {}
    if reading.poster_sha256:
        said["poster_sha256"] = reading.poster_sha256
        said["poster_arguments"] = reading.poster_arguments
    if reading.problem:
        said["problem"] = reading.problem
    append(
        session,
        Kind.EXHIBIT_PROBED,
        exhibit.id,
        SYSTEM,
        event_id=uuid5(exhibit.id, Kind.EXHIBIT_PROBED.value),
        media_type=reading.media_type,
        media_state=reading.state.value,
        tool=reading.tool,
        **said,
    )
