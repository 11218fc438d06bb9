"""The queue of a live server in a test: in its data folder, or with `--grown-up` on Redis."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.exceptions import ConnectionError as NotThere
from redis.exceptions import ResponseError

from tests.ports import free_port

_ADDRESS = "ZHENGLIAN_TEST_REDIS"
_QUEUES = 10_000


class RedisServer:
    """A Redis of this run's own, on a loopback port; what it holds is on disk."""

    def __init__(self, folder: Path | None = None) -> None:
        self.port = free_port()
        self.folder = folder or Path(tempfile.mkdtemp(prefix="zhenglian-redis-"))
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--appendonly", "yes", "--databases", str(_QUEUES)]
        self._running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        with Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except NotThere:
                    assert time.monotonic() < until, "redis-server does not answer"
                    time.sleep(0.02)
                else:
                    return

    def write_until_its_disk_is_full(self) -> None:
        with Redis.from_url(self.url) as client:
            for _ in range(1000):
                try:
                    client.set("ballast", os.urandom(100_000), ex=1)
                except ResponseError:  # MISCONF, and the reason
                    return
                time.sleep(0.01)
        raise AssertionError("its disk has room")

    def stop(self) -> None:
        if self._running:
            self._running.kill()
            self._running.wait()
            self._running = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def announce(self) -> None:
        os.environ[_ADDRESS] = self.url


def queue_environ(data: Path) -> dict[str, str]:
    """The setting for the server over `data`; none where the queue is in its folder."""
    if _ADDRESS not in os.environ:
        return {}
    number = int.from_bytes(hashlib.sha256(str(data).encode()).digest()[:6], "big") % _QUEUES
    return {"ZHENGLIAN_QUEUE_URL": f"{os.environ[_ADDRESS]}/{number}"}
