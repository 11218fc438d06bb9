"""Writers on SQLite take turns: they wait for the lock, and say so where it stays taken."""

from __future__ import annotations

import threading
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from evidence import sqlite
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.people.actor import SYSTEM
from evidence.sqlite import begin_write


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
