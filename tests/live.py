"""The real thing: gunicorn and the worker as processes of their own, over a bureau of their own.

`live_server` is shared by a whole run: leave what others have made alone. `own_server` is one
test's own, to be killed.
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import pytest

from evidence.storage.port import Store
from evidence.storage.s3 import S3Store
from server import config
from server.extensions import open_store
from tests import queues, s3_service
from tests.bureau import Bureau
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 60
BRISK_WORKER = """
import datetime as dt
from server.worker import Worker, main
def brisk(app):
    print("a worker begins", flush=True)
    return Worker(app, sweep_every=0.2, lost_after=dt.timedelta(seconds=1))
main(brisk)
"""


class LiveServer:
    """Web and worker of one data folder, on a loopback port that stays the same when restarted."""

    def __init__(self, bureau: Bureau, environ: Mapping[str, str] | None = None) -> None:
        self.bureau = bureau
        self.tls: ssl.SSLContext | None = None  # what a client trusts, where it speaks TLS
        self.port = free_port()
        served = {
            name: bureau.environ[name] for name in ("ZHENGLIAN_DATA", "ZHENGLIAN_DATABASE_URL")
        }
        self.environ = {
            **os.environ,
            **served,
            **({} if bureau.one_box else queues.queue_environ(bureau.data)),
            **({} if bureau.one_box else s3_service.store_environ(bureau.data)),
            **(environ or {}),
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def data(self) -> Path:
        return self.bureau.data

    @cached_property
    def store(self) -> Store:
        """Its store, beside it."""
        return open_store(config.read(self.environ))

    @property
    def tokens(self) -> dict[str, str]:
        """Bearer tokens by user name, and `station`."""
        return self.bureau.tokens

    @property
    def station_token_file(self) -> Path:
        return self.bureau.station_token_file

    def start_web(self) -> None:
        """Return when it answers."""
        self._start("web", "-m", "server.serve", "--port", str(self.port))
        self._until_it_answers("/healthz")

    def start_worker(self) -> None:
        self._start("worker", "-m", "server.worker")

    def start_brisk_worker(self) -> None:
        """A worker that looks for lost work after a second, not after twenty."""
        self._start("worker", "-c", BRISK_WORKER)

    def start_what_has_ended(self) -> bool:
        """As systemd would: a worker that begins while the database is away ends with 1."""
        if ended := not self.runs("worker"):
            self.start_brisk_worker()
        return ended

    def start(self) -> None:
        """Start what is not running, and return when /readyz says 200."""
        if "worker" not in self._running:
            self.start_worker()
        if "web" not in self._running:
            self.start_web()
        self._until_it_answers("/readyz")

    def kill_web(self) -> None:
        """As kill -9 would, its children too."""
        self.kill_process("web")

    def kill_worker(self) -> None:
        self.kill_process("worker")

    def kill_process(self, name: str) -> None:
        self._end(name, signal.SIGKILL)

    def stop(self) -> None:
        """End all as an administrator would."""
        if isinstance(found := self.__dict__.pop("store", None), S3Store):
            found.close()
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for name in list(self._running):
            self._wait_for(name)

    def restart(self) -> None:
        """End both politely and start them again."""
        self.stop()
        self.start()

    def said(self, name: str) -> str:
        """What `web` or `worker` wrote on its outputs, over all its lives."""
        path = self.data.parent / f"{name}.out"
        return path.read_text(errors="replace") if path.exists() else ""

    def memory(self, name: str, figure: str = "VmHWM") -> int:
        """Bytes of resident memory of a process and its children, added up; VmHWM is the peak."""
        group = self._running[name].pid
        total = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if os.getpgid(int(folder.name)) != group:
                    continue
                lines = (folder / "status").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith(figure)) * 1024
        return total

    def runs(self, name: str) -> bool:
        """Whether `web`, `worker` or another was started and has not ended."""
        return name in self._running and self._running[name].poll() is None

    def _start(self, name: str, *command: str) -> None:
        self._start_program(name, sys.executable, *command)

    def _start_program(self, name: str, *command: str) -> None:
        with (self.data.parent / f"{name}.out").open("ab") as out:
            self._running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _end(self, name: str, number: signal.Signals) -> None:
        process = self._running[name]
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        self._wait_for(name)

    def _wait_for(self, name: str) -> None:
        process = self._running.pop(name)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise

    def _until_it_answers(self, path: str, url: str = "") -> None:
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen((url or self.url) + path, timeout=5):
                    return
            except urllib.error.HTTPError as error:
                lacks = error.read().decode(errors="replace")
            except OSError as error:
                lacks = str(error)
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended or time.monotonic() > until:
                said = "\n".join(self.said(name) for name in ended or self._running)
                raise RuntimeError(f"not ready: {lacks}; ended: {ended}\n{said}")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def live_server(
    bureau_template: Bureau, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveServer]:
    server = LiveServer(bureau_template.copy_to(tmp_path_factory.mktemp("live") / "data"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def own_server(bureau: Bureau) -> Iterator[LiveServer]:
    """Not started yet."""
    server = LiveServer(bureau)
    try:
        yield server
    finally:
        server.stop()
