"""The README's commands for a bucket, run against a real service; and a store in that bucket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from evidence.storage.s3 import Lock, S3Store
from tests.contracts.stores import staged
from tests.live import ROOT

pytestmark = pytest.mark.grown_up


def test_the_bucket_of_the_readme_locks_what_is_filed_and_clears_staging(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = re.search(
        r"<!-- bucket: .*? -->\n```sh\n.*? <<'END'\n(.*?)^END$", text, re.DOTALL | re.M
    )
    assert block
    endpoint, name = os.environ["ZHENGLIAN_TEST_S3"], f"evidence-{uuid4().hex[:20]}"
    code = block[1]
    for there, here in (("https://s3.example.gov.cn", endpoint), ('"evidence"', f'"{name}"')):
        assert there in code
        code = code.replace(there, here)
    done = subprocess.run(
        [sys.executable, "-"], input=code, check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "{'ObjectLockEnabled': 'Enabled'}\n"), done.stderr

    store = S3Store(f"s3://{name}?endpoint={endpoint}&region=us-east-1", tmp_path, lock=Lock(1))
    try:
        store.check()
        assert store.bucket.locks
        upload_id = staged(store, b"filed")
        store.file(upload_id, store.read_back(upload_id))
        store.remove(upload_id)
        tops = {name.partition("/")[0] for name in store.bucket.names("")}
        assert tops == {"data", "originals"}
        kept = store.bucket.client.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        assert {rule["Filter"]["Prefix"] for rule in kept} == {"", "staging/"}
    finally:
        store.close()
