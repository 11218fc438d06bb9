"""A SeaweedFS of one's own, on loopback ports, for measurements and for tests."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from scripts.benchmarks.server import free_port

BUCKET = "tests"
KEY, SECRET = "zhenglian-tests", "only-for-tests"
_ACCESS = {
    "identities": [
        {
            "name": "zhenglian",
            "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}


class SeaweedServer:
    """`weed server -s3` on loopback ports of its own.

    `within` is what it is begun with, such as a mount namespace, and `data` its folder there.
    """

    def __init__(self, *, within: Sequence[str] = (), data: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zhenglian-s3-"))
        self.ports = dict(zip(("s3", "master", "volume", "filer"), _ports(4), strict=True))
        self._within = list(within)
        self._data = data or self.folder / "data"
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def start(self) -> None:
        access = self.folder / "access.json"
        access.write_text(json.dumps(_ACCESS))
        if not self._within:
            self._data.mkdir(exist_ok=True)
        weed = str(Path(sys.executable).with_name("weed"))
        # It reads filer.toml in the folder that it is begun in.
        here = ["env", f"--chdir={self.folder}"]
        command = [*self._within, *here, weed, "server", "-ip=127.0.0.1"]
        command += [f"-dir={self._data}", "-filer", "-s3", f"-s3.config={access}"]
        command += [f"-{name}.port={port}" for name, port in self.ports.items()]
        for name, port in self.ports.items():
            command.append(f"-{name}.port.grpc={port + 10_000}")
        command += [
            "-master.volumeSizeLimitMB=256",
            "-volume.max=200",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        ]
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(command, stdout=log, stderr=log)
        self._until_it_takes_bytes()

    def _until_it_takes_bytes(self) -> None:
        until = time.monotonic() + 60
        client = s3_client(self.url)
        while True:
            try:
                if not any(b["Name"] == BUCKET for b in client.list_buckets()["Buckets"]):
                    client.create_bucket(Bucket=BUCKET)
                client.put_object(Bucket=BUCKET, Key="probe", Body=b"x")
            except (BotoCoreError, ClientError):
                if time.monotonic() > until:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.2)
            else:
                return

    def stop(self) -> None:
        if self._running:
            self._running.kill()
            self._running.wait()
            self._running = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

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


def _ports(count: int) -> list[int]:
    """Free ones, whose tenth thousand next is free as well: SeaweedFS speaks to itself there."""
    taken: dict[int, int] = {}
    while len(taken) < count:
        port = free_port()
        pair = {port, port + 10_000}
        if port < 50_000 and pair.isdisjoint({*taken, *taken.values()}) and _free(port + 10_000):
            taken[port] = port + 10_000
    return list(taken)


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def s3_client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )
