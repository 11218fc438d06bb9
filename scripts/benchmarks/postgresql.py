"""A PostgreSQL of one's own, on a loopback port, for measurements and for tests.

Its settings are PostgreSQL's own, durable as they come, but for those that are given.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from scripts.benchmarks.server import free_port

_PROGRAMS = Path("/usr/lib/postgresql")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "Asia/Shanghai",  # another than ours, so that a naive time is noticed
}


class Cluster:
    """Made by start(), in a new folder of its own; gone after remove().

    `within` is what its programs are begun with, such as a mount namespace, and `data` its folder
    there.
    """

    def __init__(
        self, *, within: Sequence[str] = (), data: Path | None = None, **settings: str
    ) -> None:
        self.port = free_port()
        self._settings = {**_SETTINGS, **settings, "port": str(self.port)}
        self.folder = Path(tempfile.mkdtemp(prefix="zhenglian-postgresql-"))
        # PostgreSQL refuses to run as root.
        self._as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if self._as:
            os.chown(self.folder, pwd.getpwnam("postgres").pw_uid, -1)
        self._within = list(within)
        self._data = str(data or self.folder / "data")
        self._made = False

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.remove()

    @property
    def url(self) -> str:
        user = "postgres" if self._as else pwd.getpwuid(os.geteuid()).pw_name
        return f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/postgres"

    def _run(self, program: str, *arguments: str, check: bool = True) -> None:
        newest = max(_PROGRAMS.iterdir(), key=lambda folder: float(folder.name))
        subprocess.run(
            [*self._within, *self._as, str(newest / "bin" / program), *arguments],
            check=check,
            cwd="/",
            stdout=subprocess.DEVNULL,
        )

    def start(self) -> None:
        """Made the first time."""
        if not self._made:
            made = ("-D", self._data, "--encoding=UTF8", "--locale=C.UTF-8")
            self._run("initdb", *made, "--auth=trust")
            self._made = True
        options = " ".join(f"-c {name}={value!r}" for name, value in self._settings.items())
        log = str(self.folder / "log")
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", log, "-o", options)

    def stop(self, mode: str = "immediate", *, wait: bool = True) -> None:
        """Whose disk takes nothing any more cannot be waited for: its file of processes stays."""
        waiting = "-w" if wait else "-W"
        self._run("pg_ctl", "stop", waiting, "-D", self._data, "-m", mode, check=False)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
