"""A PostgreSQL of the run's own, for tests that copy from one database to another.

It listens on a socket in its own folder alone, and ends with the run.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

_PROGRAMS = Path("/usr/lib/postgresql")
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "",
    "timezone": "Asia/Shanghai",  # another than ours, so that a naive time is noticed
}


class Cluster:
    """Started on construction, gone after remove()."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zhenglian-moving-"))
        # PostgreSQL refuses to run as root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        user = "postgres" if self._as else pwd.getpwuid(os.geteuid()).pw_name
        os.chown(self.folder, pwd.getpwnam(user).pw_uid, -1)
        self._server = f"postgresql+psycopg://{user}@/{{}}?host={self.folder}"
        self._data = str(self.folder / "data")
        self._run("initdb", "-D", self._data, "--encoding=UTF8", "--locale=C.UTF-8", "-A", "trust")
        given = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        options = " ".join(f"-c {name}={value!r}" for name, value in given.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def _run(self, program: str, *arguments: str) -> None:
        newest = max(_PROGRAMS.iterdir(), key=lambda folder: float(folder.name))
        command = [*self._as, str(newest / "bin" / program), *arguments]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)

    def make(self) -> str:
        """The URL of a new and empty database, whose order of texts is not that of their bytes."""
        name = f"t{uuid4().hex}"
        engine = create_engine(
            self._server.format("postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        with engine.connect() as connection:
            connection.execute(
                text(
                    f"CREATE DATABASE {name} TEMPLATE template0"
                    " LOCALE_PROVIDER icu ICU_LOCALE 'zh' LOCALE 'C.UTF-8'"
                )
            )
        return self._server.format(name)

    def remove(self) -> None:
        self._run("pg_ctl", "stop", "-D", self._data, "-m", "immediate")
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_postgresql() -> Iterator[Callable[[], str]]:
    """Call it for the URL of a new database."""
    cluster = Cluster()
    try:
        yield cluster.make
    finally:
        cluster.remove()
