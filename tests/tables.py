"""What a database holds and how it is made, read off itself and not off the models."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, inspect

_SQLITE = "SELECT name, sql FROM sqlite_master WHERE sql > ''"
_POSTGRESQL = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc
 WHERE pronamespace = 'public'::regnamespace"""
_POSTGRESQL_TABLES = """SELECT table_name || '.' || column_name, concat_ws(' ', data_type,
 character_maximum_length, is_nullable, column_default) FROM information_schema.columns
 WHERE table_schema = 'public'
UNION ALL SELECT conrelid::regclass || ': ' || conname, pg_get_constraintdef(oid)
 FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT viewname, definition FROM pg_views WHERE schemaname = 'public'"""
# Alembic's own, and what SQLite keeps behind the text index.
_OTHERS = ("alembic_version", "exhibit_grams", "sqlite_")


def guards_and_indices(engine: Engine) -> dict[str, str]:
    """Every index, trigger and function, by name, as it was written."""
    sqlite = f"{_SQLITE} AND type IN ('trigger', 'index')"
    return _written(engine, sqlite if engine.dialect.name == "sqlite" else _POSTGRESQL)


def form(engine: Engine) -> dict[str, str]:
    """The same, and every table, view, column and constraint."""
    every = f"{_POSTGRESQL} UNION ALL {_POSTGRESQL_TABLES}"
    return _written(engine, _SQLITE if engine.dialect.name == "sqlite" else every)


def _written(engine: Engine, query: str) -> dict[str, str]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(query).all()
    return {name: " ".join(sql.split()) for name, sql in rows if "alembic" not in name}


@dataclass(frozen=True)
class Held:
    """A table's rows as the database keeps them, in no order."""

    columns: list[str]
    rows: list[tuple[object, ...]]

    def of(self, columns: Collection[str]) -> list[tuple[object, ...]]:
        """The rows cut down to some of the columns, in order."""
        places = [self.columns.index(column) for column in sorted(columns)]
        return sorted((tuple(row[place] for place in places) for row in self.rows), key=repr)


def held(engine: Engine) -> dict[str, Held]:
    """Every table's."""
    inspector, found = inspect(engine), {}
    as_text = "" if engine.dialect.name == "sqlite" else "::text"
    with engine.connect() as connection:
        for table in inspector.get_table_names():
            if not table.startswith(_OTHERS):
                columns = [column["name"] for column in inspector.get_columns(table)]
                chosen = ", ".join(f'"{column}"{as_text}' for column in columns)
                rows = connection.exec_driver_sql(f"SELECT {chosen} FROM {table}")
                found[table] = Held(columns, [tuple(row) for row in rows])
    return found


def differing(
    before: dict[str, Held], after: dict[str, Held], but: Collection[str] = ()
) -> dict[str, tuple[object, object]]:
    """Tables whose rows are not the same in the columns that both have.

    `but` are tables, and columns as `table.column`, that are not looked at.
    """
    found: dict[str, tuple[object, object]] = {}
    for table in (before.keys() & after.keys()) - set(but):
        both = set(before[table].columns) & set(after[table].columns)
        both -= {column for column in both if f"{table}.{column}" in but}
        was, is_now = before[table].of(both), after[table].of(both)
        if was != is_now:
            found[table] = (was, is_now)
    return found
