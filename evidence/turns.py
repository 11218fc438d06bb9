"""Whose turn it is to act on one subject.

On SQLite one writes at a time (evidence/sqlite.py), and nothing is needed here. On PostgreSQL many
write at once: whoever is about to read how a subject stands and to act on it takes its turn first,
and the next waits for the end of the transaction. So a subject's events have the order of their
commits, and no check is out of date when its act is done.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

_TAKEN = "turns"
# In the order of the array: rows of a function are read as it gives them.
_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")


def take_turn(session: Session, *subjects: UUID) -> None:
    """Wait until no other transaction acts on these; held until this one ends.

    Several at once are taken in one order for everybody, so that two never wait for each other.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    # A savepoint that is rolled back gives up the turns that were taken behind it.
    transaction = session.get_nested_transaction() or session.get_transaction() or session.begin()
    taken_in, taken = session.info.get(_TAKEN, (None, set()))
    if taken_in is not transaction:
        taken = set()
        session.info[_TAKEN] = (transaction, taken)
    if not (wanted := sorted(set(subjects) - taken)):
        return
    # 64 of the 128 bits: two subjects that share them wait for each other, no more.
    keys = [int.from_bytes(subject.bytes[:8], "big", signed=True) for subject in wanted]
    # Not by the session, which would first write what it has: many events are one statement.
    session.connection().execute(_LOCK, {"keys": keys})
    taken.update(wanted)
