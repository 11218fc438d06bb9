"""A real S3 service for the tests: SeaweedFS, started once a run with `--grown-up`."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from uuid import uuid4

from scripts.benchmarks import seaweed
from scripts.benchmarks.seaweed import BUCKET, KEY, SECRET, s3_client

_ADDRESS = "ZHENGLIAN_TEST_S3"


class SeaweedServer(seaweed.SeaweedServer):
    """One that the tests find by the environment."""

    def announce(self) -> None:
        os.environ[_ADDRESS] = self.url
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = KEY, SECRET


def new_place() -> str:
    """A store URL of a test's own. All are in one bucket: each takes room of its own."""
    endpoint = os.environ[_ADDRESS]
    return f"s3://{BUCKET}/{uuid4().hex}?endpoint={endpoint}"


def store_environ(data: Path) -> dict[str, str]:
    """The setting for the server over `data`; none where its store is in its folder."""
    if _ADDRESS not in os.environ:
        return {}
    place = hashlib.sha256(str(data).encode()).hexdigest()[:32]
    url = f"s3://{BUCKET}/{place}?endpoint={os.environ[_ADDRESS]}"
    return {"ZHENGLIAN_STORE_URL": url}


def new_locked_bucket() -> str:
    """The store URL of a bucket with Object Lock."""
    endpoint, name = os.environ[_ADDRESS], f"locked-{uuid4().hex[:20]}"
    s3_client(endpoint).create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return f"s3://{name}?endpoint={endpoint}"
