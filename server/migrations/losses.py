"""What a step down must not drop: what no step up, no worker and nobody else brings back.

The whole way down is one transaction, so that a refusal leaves the database as it was.
"""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import Connection, func, select, table, text


class DowngradeRefused(CommandError):
    """Nothing was changed; the message says what would be lost, and what to do instead."""


def refuse_to_lose(*tables: str, **rows: str) -> None:
    """Raise DowngradeRefused where one of `tables` has a row, or one of `rows` such a row.

    The names of `rows` are tables, too, and each value is a condition in SQL.
    """
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        # What somebody is writing just now is waited for, and counted; SQLite has one writer.
        connection.exec_driver_sql(f"LOCK TABLE {', '.join([*tables, *rows])}")
    counted = {name: _count(connection, name) for name in tables}
    for name, condition in rows.items():
        counted[f"{name} WHERE {condition}"] = _count(connection, name, condition)
    held = ", ".join(f"{which} ({count})" for which, count in counted.items() if count)
    if held:
        raise DowngradeRefused(
            f"Below revision {op.get_context().get_current_revision()} there is no room for what "
            f"nothing brings back, in so many rows: {held}. Nothing was changed. To use an older "
            "version again, restore the backup that was made before the upgrade (scripts/restore), "
            "and keep this database: what came in since is in it alone."
        )


def _count(connection: Connection, name: str, condition: str = "TRUE") -> int:
    query = select(func.count()).select_from(table(name)).where(text(condition))
    return connection.execute(query).scalar_one()
