"""How a SQLite connection is set up: WAL, durable commits, foreign keys, and who may begin a write.

SQLAlchemy's driver would begin transactions late and by itself, so that two readers who both
become writers deadlock. Here every transaction begins explicitly: plain for readers, IMMEDIATE
for `begin_write`, which then waits its turn instead of failing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from evidence.grams import folded, grams

_WRITE = "sqlite_begin"


def begin_write(session: Session) -> None:
    """Begin a writing transaction. Must come first; on other databases a plain begin."""
    session.connection(execution_options={_WRITE: "IMMEDIATE"})


def prepare(engine: Engine) -> Engine:
    """Give every connection of a SQLite engine its settings; leave other databases alone."""
    if engine.dialect.name != "sqlite":
        return engine

    @event.listens_for(engine, "connect")
    def settings(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        # The triggers behind evidence/exhibits/text_search.py call these.
        connection.create_function("folded", 1, folded, deterministic=True)
        connection.create_function("grams", 1, grams, deterministic=True)
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        # FULL: a commit is on the disk before it is acknowledged, also through a power cut.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA busy_timeout = 15000")
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        mode = connection.get_execution_options().get(_WRITE, "")
        connection.exec_driver_sql(f"BEGIN {mode}")

    return engine
