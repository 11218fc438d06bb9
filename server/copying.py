"""Copying the whole database into an empty one, of SQLite or PostgreSQL, verified.

The source is read in one snapshot, the target is written in one transaction: whatever fails,
also the process, leaves the target as empty as it was. Before the commit every table of the
target is read again, and its rows and their SHA-256 are compared with what was read.

The canonical form of a row is one JSON array in the order of the table's columns, in ASCII,
without spaces, ended by a line feed: bytes in hex, UUIDs and times (UTC) in their usual writing,
JSON and enumerations as the text that the database keeps. Rows are in the order of their primary
key, text by its bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from alembic.runtime.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Date,
    DateTime,
    Engine,
    Enum,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    collate,
    func,
    insert,
    inspect,
    select,
    text,
    type_coerce,
)
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session
from sqlalchemy.types import TypeDecorator, TypeEngine

import server.accounts.models
import server.jobs  # noqa: F401  (every table is known)
from evidence.base import Base
from evidence.custody.models import CustodyEvent
from evidence.sqlite import begin_write
from server import migrate

BATCH = 2000
# Made anew by triggers and migrations on the other side, or by SQLite itself.
_NOT_COPIED = ("alembic_version", "exhibit_grams", "exhibit_texts", "sqlite_")

Spoken = Callable[[Any], str]


class CopyRefused(Exception):
    """The database was not copied, and nothing was left in the other one; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedTable:
    """What was read of a table, and found again in the other database."""

    name: str
    rows: int
    sha256: str


Check = Callable[[Session, Sequence[CopiedTable]], None]


def copy_database(source: Engine, target: Engine, check: Check) -> list[CopiedTable]:
    """Copy every table; `check` is called with a session on the target before it is committed.

    Raises CopyRefused, and whatever `check` raises: the target is empty then.
    """
    _require_present(source, "source")
    _require_present(target, "target")
    try:
        with Session(target) as session:
            begin_write(session)
            connection = session.connection()
            _keep_others_out(connection)
            _require_empty(connection)
            copied = _copy_all(source, connection)
            _compare(connection, copied)
            check(session, copied)
            session.commit()
    except (SQLAlchemyError, psycopg.Error) as error:
        raise CopyRefused(f"The database was not copied. {_words(error)}") from None
    return copied


def _words(error: Exception) -> str:
    said = str(getattr(error, "orig", None) or error).strip()
    return said.replace("\n", " ")


def tables(connection: Connection) -> list[Table]:
    """Every table that is copied, those first that others refer to.

    Raises CopyRefused where the database holds one that this program does not know.
    """
    known = list(Base.metadata.sorted_tables)
    there = set(inspect(connection).get_table_names())
    unknown = {name for name in there if not name.startswith(_NOT_COPIED)}
    unknown -= {table.name for table in known}
    if unknown:
        raise CopyRefused(
            f"There are tables that this version does not know: {', '.join(sorted(unknown))}. "
            "Move them away, or use the version that made them."
        )
    return known


def require_usable(target: Engine) -> None:
    """A database to copy into: without a table, or with this version's and no row.

    Raises CopyRefused.
    """
    try:
        with target.connect() as connection:
            if not inspect(connection).get_table_names():
                return
            _require_empty(connection)
    except SQLAlchemyError as error:
        raise CopyRefused(f"The target cannot be opened. {_words(error)}") from None
    _require_present(target, "target")


def _require_present(engine: Engine, which: str) -> None:
    """Both sides have the tables of this version."""
    remedy = {
        "source": "Start this version over it once (scripts/run), then try again.",
        "target": "Give an empty database.",
    }[which]
    try:
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
        wanted = migrate.head()
    except SQLAlchemyError as error:
        raise CopyRefused(f"The {which} cannot be opened. {_words(error)}") from None
    if revision != wanted:
        raise CopyRefused(
            f"The {which} has the tables of version {revision or 'none'}, not {wanted}. {remedy}"
        )


def _keep_others_out(target: Connection) -> None:
    """Nobody writes to the target meanwhile; on SQLite the transaction alone sees to that."""
    if target.dialect.name == "postgresql":
        quoted = target.dialect.identifier_preparer
        names = ", ".join(quoted.format_table(table) for table in tables(target))
        target.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE NOWAIT")


def _require_empty(connection: Connection) -> None:
    for table in tables(connection):
        if connection.execute(select(1).select_from(table).limit(1)).first():
            raise CopyRefused(
                f"The target is not empty: there are rows in {table.name}. "
                "Give an empty one. If nothing in it is needed, empty it: with dropdb and "
                "createdb on PostgreSQL; a SQLite file is removed."
            )


def snapshot(source: Engine) -> Connection:
    """A connection in a transaction that sees the database as it is now, whoever writes."""
    connection = source.connect()
    if source.dialect.name == "postgresql":
        connection = connection.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )
    _let_wait(connection)
    return connection


def _let_wait(connection: Connection) -> None:
    """While the other side is busy, this one may be idle for longer than a request may."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))


def _copy_all(source: Engine, target: Connection) -> list[CopiedTable]:
    _let_wait(target)
    guards = _take_guards_off(target)
    with snapshot(source) as connection:
        copied = [_copy_table(connection, target, table) for table in tables(connection)]
    _put_guards_back(target, guards)
    for table in tables(target):
        _go_on_behind(target, table)
    if target.dialect.name == "postgresql":
        target.execute(text("ANALYZE"))  # the first questions are planned by it
    return copied


def _copy_table(source: Connection, target: Connection, table: Table) -> CopiedTable:
    digest = _Digest(table)
    putting = _copy_in if target.dialect.name == "postgresql" else _insert
    try:
        putting(target, table, digest.through(_rows(source, table)))
    except (SQLAlchemyError, psycopg.Error, ValueError, TypeError, AttributeError) as error:
        raise CopyRefused(
            f"{table.name} was not copied, about row {digest.rows}. {_words(error)}"
        ) from None
    return digest.result()


def _compare(target: Connection, copied: Sequence[CopiedTable]) -> None:
    """Read the target again. Raises CopyRefused where it is not what was read of the source."""
    by_name = {table.name: table for table in tables(target)}
    for wanted in copied:
        found = digest_of(target, by_name[wanted.name])
        if found != wanted:
            raise CopyRefused(
                f"{wanted.name} did not come through: {wanted.rows} rows {wanted.sha256[:16]} were "
                f"read, and {found.rows} rows {found.sha256[:16]} were found. Nothing was kept."
            )


def digest_of(connection: Connection, table: Table) -> CopiedTable:
    """Rows and digest of a table as it is."""
    digest = _Digest(table)
    for _ in digest.through(_rows(connection, table)):
        pass
    return digest.result()


def counts(source: Engine) -> dict[str, int]:
    """How many rows each table has now."""
    with snapshot(source) as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables(connection)
        }


class _Digest:
    """SHA-256 over the canonical forms of a table's rows."""

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._name = table.name
        self._sha256 = hashlib.sha256()
        self._spoken = [
            (place, spoken) for place, c in enumerate(table.c) if (spoken := _spoken(c.type))
        ]

    def through(self, rows: Iterator[Sequence[Any]]) -> Iterator[Sequence[Any]]:
        """The same rows, each taken in on its way."""
        encode = json.JSONEncoder(separators=(",", ":")).encode
        for row in rows:
            self.rows += 1
            said = list(row)
            for place, spoken in self._spoken:
                if said[place] is not None:
                    said[place] = spoken(said[place])
            self._sha256.update(f"{encode(said)}\n".encode("ascii"))
            yield row

    def result(self) -> CopiedTable:
        return CopiedTable(name=self._name, rows=self.rows, sha256=self._sha256.hexdigest())


def _spoken(kind: TypeEngine[Any]) -> Spoken | None:
    """How a value of a column stands in the canonical form; None where JSON has it as it is."""
    plain = kind.impl_instance if isinstance(kind, TypeDecorator) else kind
    if isinstance(plain, LargeBinary):
        return lambda value: str(value.hex())
    if isinstance(plain, DateTime | Date):
        return lambda value: str(value.isoformat())
    return str if isinstance(plain, Uuid) else None


def _rows(connection: Connection, table: Table) -> Iterator[Sequence[Any]]:
    """Every row in the order of its key, a batch at a time."""
    query = (
        select(*(_as_kept(column) for column in table.c))
        .order_by(*(_by_bytes(column, connection) for column in table.primary_key))
        .execution_options(yield_per=BATCH)
    )
    with connection.execute(query) as result:
        yield from result


def _as_kept(column: Column[Any]) -> ColumnElement[Any]:
    """JSON as the text it is: a JSON null is not a missing value. An enumeration by its name."""
    if isinstance(column.type, JSON):
        return cast(column, Text)
    return type_coerce(column, String()) if isinstance(column.type, Enum) else column


def _by_bytes(column: Column[Any], connection: Connection) -> ColumnElement[Any]:
    """As SQLite orders: PostgreSQL orders text by the language of the database."""
    if connection.dialect.name == "postgresql" and isinstance(column.type, String):
        return collate(column, "C")
    return column


def _insert(target: Connection, table: Table, rows: Iterator[Sequence[Any]]) -> None:
    if target.dialect.name == "sqlite":
        # A row may refer to one of its own table that comes later; looked at by the commit.
        target.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    names = [f"v{place}" for place in range(len(table.c))]
    statement = insert(table).values(
        {
            c.name: bindparam(name, type_=_kept_type(c))
            for c, name in zip(table.c, names, strict=True)
        }
    )
    batch: list[Mapping[str, Any]] = []
    for row in rows:
        batch.append(dict(zip(names, row, strict=True)))
        if len(batch) == BATCH:
            target.execute(statement, batch)
            batch = []
    if batch:
        target.execute(statement, batch)


def _kept_type(column: Column[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(column.type, JSON | Enum) else column.type


def _copy_in(target: Connection, table: Table, rows: Iterator[Sequence[Any]]) -> None:
    """By one COPY: a row may refer to one of its own table that comes later."""
    quoted = target.dialect.identifier_preparer
    columns = ", ".join(quoted.format_column(column) for column in table.c)
    driver: Any = target.connection.driver_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {quoted.format_table(table)} ({columns}) FROM STDIN") as copy,
    ):
        for row in rows:
            copy.write_row(row)


def _go_on_behind(target: Connection, table: Table) -> None:
    """The next number that the database gives out is behind those that were copied."""
    column = table.autoincrement_column
    if target.dialect.name != "postgresql" or column is None:
        return  # SQLite keeps the greatest number it has seen
    target.execute(
        select(
            func.setval(
                func.pg_get_serial_sequence(table.name, column.name),
                func.coalesce(select(func.max(column)).scalar_subquery(), 1),
                select(func.count()).select_from(table).scalar_subquery() > 0,
            )
        )
    )


_GUARDS = text(
    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = :table ORDER BY name"
)
_NAMED = {"table": CustodyEvent.__tablename__}


def _take_guards_off(target: Connection) -> list[tuple[str, str]]:
    """SQLite's refuse an event that comes with its place in the tree; name and text of each."""
    if target.dialect.name != "sqlite":
        return []
    guards = [(name, sql) for name, sql in target.execute(_GUARDS, _NAMED)]
    for name, _ in guards:
        target.exec_driver_sql(f"DROP TRIGGER {name}")
    return guards


def _put_guards_back(target: Connection, guards: Sequence[tuple[str, str]]) -> None:
    """Raises CopyRefused where they do not stand, or do not hold an event."""
    for _, sql in guards:
        target.exec_driver_sql(sql)
    if guards and list(map(tuple, target.execute(_GUARDS, _NAMED))) != list(guards):
        raise CopyRefused("The guards of the custody log do not stand. Nothing was kept.")
    events = CustodyEvent.__table__
    first = select(func.min(events.c.position)).scalar_subquery()
    with target.begin_nested() as attempt:
        try:
            gone = target.execute(events.delete().where(events.c.position == first)).rowcount
        except DBAPIError:
            gone = 0
        attempt.rollback()
    if gone:
        raise CopyRefused("The guards of the custody log hold nothing. Nothing was kept.")
