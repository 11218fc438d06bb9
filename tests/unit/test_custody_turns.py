"""Writers on SQLite take turns: they wait for the lock, and say so where it stays taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from evidence import sqlite
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write, prepare
from evidence.turns import take_turn
from tests.postgresql import new_postgresql

__all__ = ["new_postgresql"]


def test_many_writers_at_once_all_get_their_turn(sessions: sessionmaker[Session]) -> None:
    def write() -> None:
        for _ in range(10):
            with sessions() as session:
                begin_write(session)
                append(session, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
                session.commit()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with sessions() as session:
        assert session.scalar(select(func.count()).select_from(CustodyEvent)) == 80


def _may_be_taken(session: Session, subject: UUID) -> bool:
    """Whether nobody has the turn; it is taken then, by `session`, until it ends."""
    key = int.from_bytes(subject.bytes[:8], "big", signed=True)
    return bool(session.scalar(select(func.pg_try_advisory_xact_lock(key))))


@pytest.mark.parametrize("taken_before", [False, True])
def test_a_turn_is_held_after_a_savepoint_was_rolled_back(
    new_postgresql: Callable[[], str], taken_before: bool
) -> None:
    sessions = sessionmaker(prepare(create_engine(new_postgresql())))
    subject, other = uuid4(), uuid4()
    with sessions() as session, sessions() as stranger:
        if taken_before:
            take_turn(session, subject)
        with session.begin_nested() as savepoint:
            take_turn(session, subject, other)
            savepoint.rollback()
        assert _may_be_taken(stranger, other)
        take_turn(session, subject)
        assert not _may_be_taken(stranger, subject)
        session.rollback()
        assert _may_be_taken(stranger, subject)


@pytest.mark.one_box("many write at once on PostgreSQL")
def test_a_lock_that_stays_taken_is_an_error_of_the_database(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_WAIT_SECONDS", 0)
    with sessions() as holder, sessions() as waiting:
        begin_write(holder)
        with pytest.raises(OperationalError, match="locked"):
            begin_write(waiting)
        holder.rollback()
        waiting.rollback()
        begin_write(waiting)
        append(waiting, Kind.EXHIBIT_VIEWED, uuid4(), SYSTEM)
        waiting.commit()
