"""A real server for a test: `python -m server.serve` on a loopback port, in a folder of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID

from evidence.people.actor import SYSTEM, Role
from server import create_app
from server.accounts import tokens
from server.accounts.creation import create_account, create_station
from server.accounts.models import TokenKind
from server.extensions import db
from server.unit_of_work import unit_of_work

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class LiveServer:
    """Web alone, without the worker: what is sealed at once is sealed, the rest waits."""

    def __init__(self, folder: Path, **environ: str) -> None:
        self.data = folder / "data"
        self.host, self.port = "127.0.0.1", free_port()
        self.environ = {
            **{k: v for k, v in os.environ.items() if not k.startswith("ZHENGLIAN_")},
            "ZHENGLIAN_DATA": str(self.data),
            "PYTHONUNBUFFERED": "1",
            **environ,
        }
        self._log = folder / "web.log"
        self._process: subprocess.Popen[bytes] | None = None
        subprocess.run(
            [sys.executable, "-m", "server.migrate"], cwd=ROOT, env=self.environ, check=True
        )
        self.app = create_app(self.environ, TESTING=True)
        self.token = self.new_station("dock 1")

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The master's process id."""
        assert self._process is not None
        return self._process.pid

    def new_station(self, name: str) -> str:
        """A station that can upload; its token."""
        with self.app.app_context(), unit_of_work() as session:
            station = create_station(session, name, None, SYSTEM)
            return tokens.issue(session, TokenKind.STATION, station, SYSTEM)[1]

    def new_account(self, name: str, *roles: Role) -> str:
        """A login with `roles`; a bearer token of it."""
        with self.app.app_context(), unit_of_work() as session:
            account = create_account(session, name, "a long enough pass phrase", roles)
            return tokens.issue(session, TokenKind.BEARER, account, SYSTEM)[1]

    def end_token(self, secret: str) -> None:
        with self.app.app_context():
            found = tokens.find(db.session(), secret)
            token_id: UUID = found.id
            with unit_of_work() as session:
                tokens.revoke(session, token_id, SYSTEM)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.serve", "--host", self.host]
                + ["--port", str(self.port)],
                cwd=ROOT,
                env=self.environ,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(self._log.read_text(errors="replace"))
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def kill(self) -> None:
        """kill -9, master and workers at once: what a power cut does to a process."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, number)
            except ProcessLookupError:
                pass
            self._process.wait(20)
            self._process = None

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
