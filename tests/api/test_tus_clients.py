"""Clients that are not ours: tuspy and tus-js-client, through cuts and a killed server."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from tusclient import client as tuspy

from evidence.digests import SEGMENT_BYTES
from tests.api.proxy import CuttingProxy
from tests.api.tus import UPLOADS, Tus
from tests.contracts.stores import sha256
from tests.live import LiveServer

NODE = Path(__file__).resolve().parent.parent / "node"
CONTENT = random.Random(11).randbytes(2 * SEGMENT_BYTES + 54_321)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "执法 001.mp4"
    path.write_bytes(CONTENT)
    return path


def sealed(tus: Tus, url: str) -> dict[str, object]:
    """What the server says of it, once it is sealed with the right bytes."""
    told: dict[str, object] = tus.state(UPLOADS + url.rsplit(UPLOADS, 1)[1])
    assert told["state"] in ("sealed", "duplicate")
    assert sha256(CONTENT) in str(told["receipt"])
    return told


def send_with_tuspy(url: str, token: str, path: Path, chunk: int, checksum: bool) -> str:
    client = tuspy.TusClient(url + UPLOADS, headers={"Authorization": f"Bearer {token}"})
    with path.open("rb") as stream:
        uploader = client.uploader(
            file_stream=stream,
            chunk_size=chunk,
            metadata={"filename": path.name},
            metadata_encoding="utf-8",
            retries=60,
            retry_delay=0.1,  # type: ignore[arg-type]
            upload_checksum=checksum,
        )
        uploader.upload()
        return str(uploader.url)


def send_with_node(
    url: str, token: str, path: Path, *, chunk: int = 0, parallel: int = 1
) -> subprocess.Popen[str]:
    node = shutil.which("node")
    assert node, "Node.js is needed: scripts/test installs it"
    assert (NODE / "node_modules").is_dir(), "npm ci has not been run in tests/node"
    metadata = json.dumps({"filename": path.name, "recorder": "HD-012"})
    return subprocess.Popen(
        [node, "upload.mjs", url + UPLOADS, token, str(path), str(chunk), str(parallel), metadata],
        cwd=NODE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> dict[str, object]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    told: dict[str, object] = json.loads(out)
    return told


@pytest.mark.parametrize("checksum", [False, True], ids=["plain", "with checksums"])
def test_tuspy_uploads_through_cuts(
    live_server: LiveServer, recording: Path, checksum: bool
) -> None:
    tus = Tus(live_server)
    with CuttingProxy(live_server.port, [700_000, 3_000_000, 1_500_000]) as proxy:
        url = send_with_tuspy(proxy.url, tus.token or "", recording, 4_000_000, checksum)
        assert proxy.cut == 3
    assert sealed(tus, url)["filename"] == recording.name


@pytest.mark.one_box("these clients give up sooner than a dead machine's lease ends")
def test_tuspy_resumes_what_a_killed_server_had(own_server: LiveServer, recording: Path) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    token = tus.token or ""
    urls: list[str] = []
    sender = threading.Thread(
        target=lambda: urls.append(
            send_with_tuspy(own_server.url, token, recording, 200_000, False)
        )
    )
    sender.start()
    kill_when_under_way(own_server)
    sender.join(60)
    assert len(urls) == 1
    sealed(tus, urls[0])


def kill_when_under_way(server: LiveServer) -> None:
    """kill -9 while bytes arrive, and a new start on the same port."""
    staging = server.data / "store" / "staging"
    until = time.monotonic() + 20
    while not any(j.stat().st_size >= 5 * 64 for j in staging.glob("*/journal")):
        assert time.monotonic() < until, "nothing arrived"
        time.sleep(0.005)
    server.kill_web()
    assert len(list(staging.iterdir())) >= 1  # not sealed yet: it was killed in the middle
    server.start_web()


@pytest.mark.node
def test_tus_js_client_uploads_through_cuts(live_server: LiveServer, recording: Path) -> None:
    tus = Tus(live_server)
    with CuttingProxy(live_server.port, [900_000, 5_000_000, 2_000_000]) as proxy:
        told = ended(send_with_node(proxy.url, tus.token or "", recording))
        assert proxy.cut == 3
    assert sealed(tus, str(told["url"]))["filename"] == recording.name
    assert int(str(told["retries"])) >= 3


@pytest.mark.node
def test_tus_js_client_joins_what_it_sent_in_parallel(
    live_server: LiveServer, recording: Path
) -> None:
    tus = Tus(live_server)
    with CuttingProxy(live_server.port, [900_000]) as proxy:
        told = ended(send_with_node(proxy.url, tus.token or "", recording, parallel=3))
        assert proxy.cut == 1
    sealed(tus, str(told["url"]))


@pytest.mark.one_box("these clients give up sooner than a dead machine's lease ends")
@pytest.mark.node
def test_tus_js_client_resumes_what_a_killed_server_had(
    own_server: LiveServer, recording: Path
) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    process = send_with_node(own_server.url, tus.token or "", recording, chunk=200_000)
    kill_when_under_way(own_server)
    told = ended(process)
    assert int(str(told["retries"])) >= 1
    sealed(tus, str(told["url"]))
