"""How a SQLite connection is set up: WAL, durable commits, foreign keys, and who may begin a write.

SQLAlchemy's driver would begin transactions late and by itself, so that two readers who both
become writers deadlock. Here every transaction begins explicitly: plain for readers, IMMEDIATE
for `begin_write`, which then waits its turn instead of failing.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from evidence.grams import folded, grams

_WRITE = "sqlite_begin"
_WAIT_SECONDS = 15
_RETRY_SECONDS = 0.001


def begin_write(session: Session) -> None:
    """Begin a writing transaction. Must come first; on other databases a plain begin."""
    session.connection(execution_options={_WRITE: "IMMEDIATE"})


def prepare(engine: Engine) -> Engine:
    """Give every connection of a SQLite engine its settings, and one of PostgreSQL its limits."""
    if engine.dialect.name == "postgresql":
        event.listen(engine, "connect", _limit)
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
        _set_busy_timeout(connection, _WAIT_SECONDS)
        cursor.execute("PRAGMA cache_size = -16384")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITE):
            _begin_immediate(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _limit(connection: Any, _: Any) -> None:
    """Nobody waits for ever for a lock, nor keeps one because a process hangs.

    And nothing is acknowledged before it is durable, whatever the database was told. Nor is a
    statement compiled to machine code first: every one of ours is short, and the planner takes
    those that cut a text into stretches for long ones, which cost a quarter of a second each. The
    events of a case lie far apart: many of them are read ahead, where the database would read one
    (the server's own word stands, if it has one; some systems cannot).
    """
    connection.autocommit = True
    connection.execute("SET jit = off")
    connection.execute("SET lock_timeout = '15s'")
    connection.execute("SET idle_in_transaction_session_timeout = '2min'")
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false)"
        " WHERE current_setting('synchronous_commit') = 'off'"
    )
    connection.execute(
        "SELECT set_config(name, '64', false) FROM pg_settings"
        " WHERE name = 'effective_io_concurrency' AND source = 'default' AND max_val <> '0'"
    )
    connection.autocommit = False


def _begin_immediate(connection: Connection) -> None:
    """Wait for the write lock, asking often; OperationalError where it stays taken.

    SQLite's own waiting sleeps up to 100 ms between two tries, so that beside a busy writer the
    others hardly ever meet a moment when the lock is free.
    """
    driver = connection.connection.driver_connection
    until = time.monotonic() + _WAIT_SECONDS
    _set_busy_timeout(driver, 0)
    try:
        while not _begun(driver):
            if time.monotonic() > until:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            time.sleep(_RETRY_SECONDS)
    finally:
        _set_busy_timeout(driver, _WAIT_SECONDS)


def _set_busy_timeout(driver: Any, seconds: int) -> None:
    driver.execute(f"PRAGMA busy_timeout = {seconds * 1000}")


def _begun(driver: Any) -> bool:
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            return False
        raise
    return True
