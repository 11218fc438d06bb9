"""Giving a recorder what came from it before it was entered, a few hundred at a time."""

from __future__ import annotations

from uuid import UUID

from evidence.exhibits.attributing import AT_ONCE, attribute, came_before
from evidence.people.actor import Actor
from evidence.recorders.models import Recorder
from server.extensions import db
from server.unit_of_work import unit_of_work


def attribute_all(recorder_id: UUID, actor: Actor) -> int:
    """How many it was given. Asked again, it goes on where it was interrupted.

    What is sealed meanwhile finds the recorder by itself. Raises AccessDenied.
    """
    session = db.session()
    ids = came_before(session, session.get_one(Recorder, recorder_id))
    session.rollback()
    given = 0
    for first in range(0, len(ids), AT_ONCE):
        with unit_of_work() as work:
            recorder = work.get_one(Recorder, recorder_id)
            given += attribute(work, recorder, ids[first : first + AT_ONCE], actor)
    return given
