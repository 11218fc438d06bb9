"""Bringing the database to the present form: `python -m server.migrate`."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

from evidence.sqlite import prepare
from server import config

_MIGRATING = 0x7A686C  # the lock that whoever migrates holds
_FOLDER = Path(__file__).parent / "migrations"


def alembic_config(engine: Engine | None = None) -> Config:
    chosen = Config()
    # A percent sign in the path would be taken for interpolation.
    chosen.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    chosen.attributes["engine"] = engine
    return chosen


def head() -> str:
    """The revision that this version's tables have."""
    return str(ScriptDirectory.from_config(alembic_config()).get_current_head())


def pending(engine: Engine) -> str:
    """The revision that the database still lacks, or nothing."""
    wanted = head()
    with engine.connect() as connection:
        present = MigrationContext.configure(connection).get_current_revision()
    return "" if present == wanted else wanted


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, each in a transaction."""
    command.upgrade(alembic_config(engine), "head")


def to_present(environ: Mapping[str, str] | None = None) -> None:
    """Migrate the database of the settings; of two at once, the second waits and finds it done.

    Raises ConfigurationError.
    """
    settings = config.read(environ)
    config.prepare_data(settings)
    engine = prepare(create_engine(settings.database_url))
    with (settings.data / "migrate.lock").open("w") as lock, _alone(engine):
        fcntl.flock(lock, fcntl.LOCK_EX)
        if pending(engine):
            upgrade(engine)
    engine.dispose()


@contextmanager
def _alone(engine: Engine) -> Iterator[None]:
    """Also among several machines, where the database is one that several can have."""
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _MIGRATING})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _MIGRATING})


def main() -> int:
    os.umask(config.UMASK)
    try:
        to_present()
    except config.ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
