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
from sqlalchemy import Engine, create_engine, make_url, text

from evidence.custody.tiles import reaches_beyond
from evidence.errors import StorageFull, StorageUnavailable
from evidence.sqlite import prepare
from server import config, starting
from server.config import Settings
from server.extensions import open_store

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
    return "" if _present(engine) == wanted else wanted


def _present(engine: Engine) -> str:
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def upgrade(engine: Engine) -> None:
    """Apply every migration that is missing, all of them or none."""
    command.upgrade(alembic_config(engine), "head")


def to_present(environ: Mapping[str, str] | None = None) -> tuple[str, str]:
    """Migrate the database of the settings; of two at once, the second waits and finds it done.

    The revision before, empty where there was none, and after. Raises ConfigurationError, also
    where the database is empty and the store has the log of another.
    """
    settings = config.read(environ)
    config.prepare_data(settings)
    engine = prepare(create_engine(settings.database_url))
    with (settings.data / "migrate.lock").open("w") as lock, _alone(engine):
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = _present(engine)
        if not before:
            _require_no_log(settings)
        if before != head():
            upgrade(engine)
    engine.dispose()
    return before, head()


def _require_no_log(settings: Settings) -> None:
    """Nothing would ever be signed in a database that is begun beside somebody's log."""
    try:
        longer = reaches_beyond(open_store(settings), 0)
    except (StorageUnavailable, StorageFull):
        return  # /readyz says so later
    if longer:
        raise config.ConfigurationError(
            f"The database {shown(settings.database_url)} is empty, and the store "
            f"{settings.store_url.partition('?')[0]} holds the log of another. If that was to be "
            "moved, move it first (scripts/move-database); if it is lost, restore the newest "
            "backup (scripts/restore). For a new bureau name another ZHENGLIAN_STORE_URL."
        )


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


def require_named(environ: Mapping[str, str]) -> None:
    """Raise ConfigurationError where a database would be made that nobody has asked for."""
    database_url = config.read(environ).database_url
    named = environ.get("ZHENGLIAN_DATA") or environ.get("ZHENGLIAN_DATABASE_URL")
    if not starting.is_there(database_url) and not named:
        raise config.ConfigurationError(
            f"There is no database at {make_url(database_url).database}, and neither "
            "ZHENGLIAN_DATA nor ZHENGLIAN_DATABASE_URL is set. Give the installation's settings: "
            "ZHENGLIAN_DATA=FOLDER python -m server.migrate, or begin with "
            "`set -a; . /etc/zhenglian/zhenglian.env`."
        )


def shown(database_url: str) -> str:
    """Which database it is, without its password, wherever that stands in the URL."""
    url = make_url(database_url)
    # set() leaves alone what is given as None.
    plain = url._replace(password=None).set(drivername=url.get_backend_name(), query={})
    return plain.render_as_string()


def main() -> int:
    os.umask(config.UMASK)
    with starting.told():
        require_named(os.environ)
        before, after = to_present()
    done = f"brought from {before or 'nothing'} to {after}"
    if before == after:
        done = f"at {after} already, nothing was to do"
    print(f"{shown(config.read().database_url)}: {done}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
