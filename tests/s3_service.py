"""A real S3 service for the tests: SeaweedFS, started once a run with `--grown-up`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.ports import free_port

_ADDRESS = "ZHENGLIAN_TEST_S3"
_BUCKET = "tests"
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
    """`weed server -s3` on loopback ports of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="zhenglian-s3-"))
        self.ports = {name: _port() for name in ("s3", "master", "volume", "filer")}
        self._running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def start(self) -> None:
        access = self.folder / "access.json"
        access.write_text(json.dumps(_ACCESS))
        (self.folder / "data").mkdir(exist_ok=True)
        command = [str(Path(sys.executable).with_name("weed")), "server", "-ip=127.0.0.1"]
        command += [f"-dir={self.folder / 'data'}", "-filer", "-s3", f"-s3.config={access}"]
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
            self._running = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        self._until_it_takes_bytes()

    def _until_it_takes_bytes(self) -> None:
        until = time.monotonic() + 60
        client = s3_client(self.url)
        while True:
            try:
                if not any(b["Name"] == _BUCKET for b in client.list_buckets()["Buckets"]):
                    client.create_bucket(Bucket=_BUCKET)
                client.put_object(Bucket=_BUCKET, Key="probe", Body=b"x")
            except (BotoCoreError, ClientError):
                assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
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

    def announce(self) -> None:
        os.environ[_ADDRESS] = self.url
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = KEY, SECRET


def _port() -> int:
    """One whose tenth thousand next is free as well: SeaweedFS speaks to itself there."""
    while True:
        port = free_port()
        if port < 50_000:
            return port


def s3_client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def new_place() -> str:
    """A store URL of a test's own. All are in one bucket: each takes room of its own."""
    endpoint = os.environ[_ADDRESS]
    return f"s3://{_BUCKET}/{uuid4().hex}?endpoint={endpoint}"


def store_environ(data: Path) -> dict[str, str]:
    """The setting for the server over `data`; none where its store is in its folder."""
    if _ADDRESS not in os.environ:
        return {}
    place = hashlib.sha256(str(data).encode()).hexdigest()[:32]
    url = f"s3://{_BUCKET}/{place}?endpoint={os.environ[_ADDRESS]}"
    return {"ZHENGLIAN_STORE_URL": url}


def new_locked_bucket() -> str:
    """The store URL of a bucket with Object Lock."""
    endpoint, name = os.environ[_ADDRESS], f"locked-{uuid4().hex[:20]}"
    s3_client(endpoint).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return f"s3://{name}?endpoint={endpoint}"
