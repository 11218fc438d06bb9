"""Filling an empty database with a made-up bureau, quickly and through the real indexes.

On SQLite a commit does not wait for the disk meanwhile, and the guards that refuse an event with a
place of its own are off. On PostgreSQL events come by COPY, and the words are indexed last.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

import evidence.inspections.models
import evidence.uploads.models  # noqa: F401  (every table is known before they are made)
from evidence.cases.models import Case
from evidence.custody import guards
from evidence.exhibits import text_search
from evidence.exhibits.models import Exhibit, ExhibitLink
from evidence.people.models import Officer, Unit
from evidence.recorders.models import Recorder
from scripts.benchmarks import bureau
from scripts.benchmarks.bureau import Bureau
from scripts.benchmarks.history import COLUMNS, History

_BATCH = 5000
_INTO = f"custody_events ({', '.join(COLUMNS)})"


def fill(session: Session, count: int) -> Bureau:
    """Fill an empty database with `count` exhibits, and ten events for each; committed."""
    chance = random.Random(20230915)  # noqa: S311  (the same rows every time)
    found = bureau.people(count, chance)
    filled = found.bureau()
    history = History(filled)
    with _in_a_hurry(session):
        for model, known in (
            (Unit, found.units),
            (Officer, found.officers),
            (Recorder, found.recorders),
            (Case, found.cases),
        ):
            session.execute(insert(model), known)
        _log(session, history.beginning())
        for first in range(0, count, _BATCH):
            numbers = range(first, min(first + _BATCH, count))
            rows = [bureau.exhibit(n, filled, chance) for n in numbers]
            places = [bureau.case_of(n, count, filled, chance) for n in numbers]
            session.execute(insert(Exhibit), rows)
            pairs = list(zip(rows, places, strict=True))
            links = [bureau.link(row, place, filled) for row, place in pairs if place is not None]
            session.execute(insert(ExhibitLink), links)
            _log(session, chain.from_iterable(history.of(row, place) for row, place in pairs))
            session.commit()
        _log(session, history.rest())
        session.commit()
    _settle(session)
    return filled


@contextmanager
def _in_a_hurry(session: Session) -> Iterator[None]:
    of = {"sqlite": _sqlite_in_a_hurry, "postgresql": _postgresql_in_a_hurry}
    with of[session.get_bind().dialect.name](session):
        yield


@contextmanager
def _sqlite_in_a_hurry(session: Session) -> Iterator[None]:
    _outside(session, "PRAGMA synchronous = OFF", "PRAGMA cache_size = -1048576")
    for name in _guards(session):
        session.execute(text(f"DROP TRIGGER {name}"))
    yield
    for statement in guards.SQLITE_V1:
        session.execute(text(statement))
    session.commit()
    _outside(
        session,
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA synchronous = FULL",
        "PRAGMA cache_size = -16384",
    )


@contextmanager
def _postgresql_in_a_hurry(session: Session) -> Iterator[None]:
    """The words as migration 0006 took them in, their index as a dump that is restored has it."""
    (index,) = (made for made in text_search.POSTGRESQL_V1 if made.startswith("CREATE INDEX"))
    session.execute(text(f"DROP INDEX {index.split()[2]}"))
    for table in ("exhibits", "exhibit_links"):
        session.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
    yield
    documents = "SELECT position, content, flags FROM exhibit_documents"
    session.execute(text(f"INSERT INTO exhibit_texts {documents}"))
    session.execute(text("SET LOCAL maintenance_work_mem = '1GB'"))
    session.execute(text(index))
    for table in ("exhibits", "exhibit_links"):
        session.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))
    session.commit()


def _guards(session: Session) -> Sequence[str]:
    triggers = text(
        "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'custody_events'"
    )
    return session.scalars(triggers).all()


def _outside(session: Session, *statements: str) -> None:
    """Say this outside of any transaction: SQLite's settings cannot change within one."""
    connection = session.connection()
    connection.exec_driver_sql("COMMIT")
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.exec_driver_sql("BEGIN")


def _settle(session: Session) -> None:
    """What PostgreSQL does by itself within minutes: tell the planner what there is."""
    bind = session.get_bind()
    if bind.dialect.name == "postgresql":
        alone = bind.engine.execution_options(isolation_level="AUTOCOMMIT")
        with alone.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))


def _log(session: Session, events: Iterator[tuple[Any, ...]]) -> None:
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        driver = connection.connection.driver_connection
        with driver.cursor().copy(f"COPY {_INTO} FROM STDIN") as copy:  # type: ignore[union-attr]
            for event in events:
                copy.write_row(event)
        return
    places = ", ".join("?" * len(COLUMNS))
    while rows := [tuple(map(_plain, event)) for event in islice(events, _BATCH)]:
        connection.exec_driver_sql(f"INSERT INTO {_INTO} VALUES ({places})", rows)  # noqa: S608


def _plain(value: Any) -> Any:
    """As SQLAlchemy writes it in SQLite."""
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value
