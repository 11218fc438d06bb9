"""Bringing the database to the present form: `python -m server.migrate`."""

from __future__ import annotations

import fcntl
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine

from evidence.sqlite import prepare
from server import config

_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(engine: Engine | None = None) -> Config:
    chosen = Config()
    chosen.set_main_option("script_location", str(_FOLDER))
    chosen.attributes["engine"] = engine
    return chosen


def pending(engine: Engine) -> str:
    """The revision that the database still lacks, or nothing."""
    wanted = ScriptDirectory.from_config(alembic_config()).get_current_head()
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return "" if present == wanted else str(wanted)


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, each in a transaction."""
    command.upgrade(alembic_config(engine), "head")


def main() -> None:
    settings = config.read()
    config.prepare_data(settings)
    with (settings.data / "migrate.lock").open("w") as lock:
        # Two starts at once: the second waits, then finds nothing to do.
        fcntl.flock(lock, fcntl.LOCK_EX)
        upgrade(prepare(create_engine(settings.database_url)))


if __name__ == "__main__":
    main()
