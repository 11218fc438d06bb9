"""A server of our own for a measurement: web and worker as scripts/run starts them, or another."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
END_SECONDS = 30
PORT_TOLD = "ZHENGLIAN_BENCHPORT_TOLD"
_LOOKS = 20  # at the processes' memory, between two searches for such as came later


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """`scripts/run --demo` on a free port, in a folder of its own.

    With `web`, a module's name and its arguments ({port} is the port), that is started alone,
    with `environ` besides, over a folder that has been a demonstration's before.
    """

    def __init__(
        self, data: Path, web: Sequence[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.host = "127.0.0.1"
        self.port = free_port()
        self.ended = True  # by itself, once it was told to
        self._alone = bool(web)
        self._environ = {**os.environ, "PYTHONUNBUFFERED": "1", **(environ or {})}
        run = [str(ROOT / "scripts" / "run"), "--demo", "--port", "{port}", "--data", str(data)]
        started = ["-m", *web] if web else run
        self._command = [word.replace("{port}", str(self.port)) for word in started]
        self._peak = 0
        self._over = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._log = (self.data.parent / "run.log").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, *self._command],
            cwd=ROOT,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**self._environ, "ZHENGLIAN_DATA": str(self.data), PORT_TOLD: str(self.port)},
            start_new_session=self._alone,
        )
        until = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self.data.parent / "run.log").read_text(errors="replace"))
            time.sleep(0.2)
        self._watching.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._watching.join()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            if not self._alone:
                raise
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self.ended = False
        self._log.close()

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.host}:{self.port}/readyz", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    @property
    def token(self) -> str:
        """The demonstration dock's token."""
        return (self.data / "demo-dock-token").read_text().splitlines()[0]

    @property
    def headers(self) -> dict[str, str]:
        """What the demonstration dock says with every request."""
        return {"Authorization": f"Bearer {self.token}", "Tus-Resumable": "1.0.0"}

    def peak_memory(self) -> int:
        """Bytes: the most that the web processes held at once, looked at ten times a second.

        A page that several of them share counts once (proportional set size).
        """
        return self._peak

    def _watch(self) -> None:
        webs: list[Path] = []
        for look in count():
            if self._over.wait(0.1):
                return
            if look % _LOOKS == 0 or not all(web.exists() for web in webs):
                webs = self._webs()
            self._peak = max(self._peak, sum(_held(web) for web in webs))

    def _webs(self) -> list[Path]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes()
                session = os.getsid(int(folder.name))
            except OSError:
                continue
            serves = session == self._process.pid if self._alone else b"server.serve" in command
            if serves and os.fsencode(self.data) in environment:
                found.append(folder)
        return found


def _held(process: Path) -> int:
    try:
        lines = (process / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
