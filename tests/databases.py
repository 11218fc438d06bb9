"""The database that a test runs on: a SQLite file, or with `--grown-up` a PostgreSQL one.

Tests name a database by the file it would be. The cluster is started once a run, before the
workers of pytest-xdist, and ends with it; nothing in it has to outlive a crash.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from evidence.sqlite import prepare
from scripts.benchmarks import postgresql

_ADMIN = "ZHENGLIAN_TEST_POSTGRESQL"
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
}


def grown_up() -> bool:
    return _ADMIN in os.environ


class Cluster(postgresql.Cluster):
    """A PostgreSQL of this run's own, in a hurry."""

    def __init__(
        self, *, within: Sequence[str] = (), data: Path | None = None, **settings: str
    ) -> None:
        super().__init__(within=within, data=data, **{**_SETTINGS, **settings})

    def announce(self) -> None:
        os.environ[_ADMIN] = self.url

    def revive(self) -> bool:
        """Start it where it does not answer; whether that was so.

        It may still be recovering by itself, or its last process not be gone yet.
        """
        until, was_away = time.monotonic() + 60, False
        while not self.answers():
            with suppress(subprocess.CalledProcessError):
                self.start()
                was_away = True
            assert time.monotonic() < until, "PostgreSQL does not start again"
            time.sleep(0.1)
        return was_away

    def answers(self) -> bool:
        engine = create_engine(self.url, poolclass=NullPool)
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False


def _name(file: Path) -> str:
    return f"t{hashlib.sha256(str(file).encode()).hexdigest()[:24]}"


_made: dict[Path, str] = {}


@contextmanager
def _administration() -> Iterator[Connection]:
    engine = create_engine(os.environ[_ADMIN], poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def database_url(file: Path) -> str:
    """The URL of the database `file`; on PostgreSQL an empty one is made where there is none."""
    if not grown_up():
        return f"sqlite:///{file}"
    name = _name(file)
    if file not in _made:
        _made[file] = name
        with _administration() as connection:
            known = text("SELECT 1 FROM pg_database WHERE datname = :name")
            if connection.scalar(known, {"name": name}) is None:
                connection.execute(text(f"CREATE DATABASE {name}"))
    return os.environ[_ADMIN].rpartition("/")[0] + f"/{name}"


def make_database(name: str, *options: str) -> str:
    """A new PostgreSQL database; its URL."""
    with _administration() as connection:
        connection.execute(text(f"CREATE DATABASE {name} {' '.join(options)}"))
    return os.environ[_ADMIN].rpartition("/")[0] + f"/{name}"


def drop_database(name: str) -> None:
    with _administration() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def open_database(file: Path) -> Engine:
    return prepare(create_engine(database_url(file)))


def copy_folder(data: Path, to: Path) -> None:
    """Copy a data folder with its database."""
    shutil.copytree(data, to)
    copy_database(data / "zhenglian.db", to / "zhenglian.db")


def copy_database(file: Path, to: Path) -> None:
    """Where a database is no file, copying its folder has not copied it."""
    if grown_up():
        _made[to] = _name(to)
        with _administration() as connection:
            connection.execute(text(f"CREATE DATABASE {_name(to)} TEMPLATE {_name(file)}"))


def dump_into(file: Path, cluster: str) -> str:
    """The database `file` in another cluster, whose administrative URL is given; its URL there."""
    target = cluster.replace("+psycopg", "").rpartition("/")[0] + "/zhenglian"
    psql = ("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1")
    create = [*psql, "--command", "CREATE DATABASE zhenglian", cluster.replace("+psycopg", "")]
    subprocess.run(create, check=True)
    source = database_url(file).replace("+psycopg", "")
    dumped = subprocess.run(["pg_dump", source], check=True, capture_output=True).stdout
    subprocess.run([*psql, target], input=dumped, check=True, stdout=subprocess.DEVNULL)
    return target.replace("postgresql:", "postgresql+psycopg:")


def drop_below(folder: Path) -> None:
    """Drop what was made for one test."""
    below = [file for file in _made if file.is_relative_to(folder)]
    if below:
        with _administration() as connection:
            for file in below:
                connection.execute(text(f"DROP DATABASE {_made.pop(file)} WITH (FORCE)"))


@contextmanager
def as_owner(file: Path, *, without_guards: bool = False) -> Iterator[Connection]:
    """As whoever holds the database: committed at the end; the guards off where wanted."""
    engine = open_database(file)
    try:
        with engine.begin() as connection:
            if without_guards:
                drop_guards(connection)
            yield connection
    finally:
        engine.dispose()


def snapshot(engine: Engine, file: Path, to: Path) -> None:
    """The database `file`, which `engine` has open, as it stands, under another name."""
    if grown_up():
        engine.dispose()  # nobody may use what is copied
        copy_database(file, to)
        return
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"VACUUM INTO '{to}'")


def spoken(statement: str) -> str:
    """A statement written for SQLite, as the database of this run says it."""
    if not grown_up():
        return statement
    statement = statement.replace("CAST(canonical AS TEXT)", "convert_from(canonical, 'UTF8')")
    statement = statement.replace("zeroblob(32)", "decode(repeat('00', 32), 'hex')")
    statement = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement)
    return re.sub(r"CAST\((.*) AS BLOB\)", r"convert_to(\1, 'UTF8')", statement)


def drop_guards(connection: Connection) -> None:
    """Take the triggers off that keep events as they are."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE custody_events DISABLE TRIGGER USER")
        return
    named = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'custody%'"
    for name in connection.execute(text(named)).scalars().all():
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
