"""Changing a recorder in the books: its unit, whether it is in use, what is written on it.

Its number never changes: file names and docks say it. What it has recorded stays with the unit
that had it then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.errors import AlreadyCheckedOut
from evidence.people.access import Act, require
from evidence.people.actor import Actor
from evidence.recorders.ledger import lock, open_checkout
from evidence.recorders.models import Recorder


def change(session: Session, recorder: Recorder, by: Actor, said: Mapping[str, Any]) -> Recorder:
    """Change `unit_id`, `status`, `model` or `serial`; nothing else, and no event for nothing.

    Only what is in the cabinet moves or goes to be repaired: whoever has it brings it back first.
    Raises AccessDenied, AlreadyCheckedOut.
    """
    require(by, Act.RECORDER_MANAGE)
    lock(session, recorder)
    before = _said(recorder)
    recorder.unit_id = said.get("unit_id", recorder.unit_id)
    recorder.status = said.get("status", recorder.status)
    if "model" in said:
        recorder.model = said["model"].strip()
    if "serial" in said:
        recorder.serial = said["serial"].strip() or None
    after = _said(recorder)
    if after == before:
        return recorder
    moves = any(after[name] != before[name] for name in ("unit", "status"))
    if moves and open_checkout(session, recorder.id) is not None:
        raise AlreadyCheckedOut(recorder=recorder.number)
    session.flush()
    session.refresh(recorder)
    was = {f"{name}_before": before[name] for name in ("unit", "status")}
    append(session, Kind.RECORDER_CHANGED, recorder.id, by, **after, **was)
    return recorder


def _said(recorder: Recorder) -> dict[str, Any]:
    return {
        "number": recorder.number,
        "unit": str(recorder.unit_id),
        "status": recorder.status.value,
        "model": recorder.model,
        "serial": recorder.serial,
    }
