"""Bytes straight from the storage service: by a short-lived URL, whose making is an event."""

from __future__ import annotations

import hashlib
import os

import httpx
import pytest

from tests.api.tus import Tus, metadata
from tests.bureau import Bureau
from tests.live import LiveServer

pytestmark = pytest.mark.grown_up


def test_a_signed_url_is_an_event_and_gives_the_bytes(bureau: Bureau) -> None:
    server = LiveServer(bureau, {"ZHENGLIAN_SIGNED_URLS": "on"})
    try:
        server.start()
        content = b"\xff\xd8\xff\xe0 no picture " + os.urandom(5000)
        tus = Tus(server)
        digest = hashlib.sha256(content).hexdigest()
        where = tus.create(len(content), {"Upload-Metadata": metadata(filename="照片.jpg")})
        tus.send(where, 0, content)
        exhibit = tus.state(where)["exhibit"]
        supervisor = {"Authorization": f"Bearer {server.tokens['supervisor']}"}
        answer = httpx.get(f"{server.url}{exhibit}/original", headers=supervisor)
        assert answer.status_code == 307
        assert answer.headers["Cache-Control"] == "no-store"
        given = httpx.get(answer.headers["Location"])
        assert hashlib.sha256(given.content).hexdigest() == digest
        assert "attachment" in given.headers["Content-Disposition"]
        events = httpx.get(f"{server.url}{exhibit}/custody", headers=supervisor).json()["events"]
        assert [e["details"] for e in events if e["kind"] == "exhibit:downloaded"] == [
            {"sha256": digest, "url_seconds": 60}
        ]
        # No login, no URL; and a HEAD is none.
        assert httpx.get(f"{server.url}{exhibit}/original").status_code == 401
        head = httpx.head(f"{server.url}{exhibit}/original", headers=supervisor)
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(content)))
        service = server.environ["ZHENGLIAN_STORE_URL"].partition("endpoint=")[2]
        policy = httpx.get(f"{server.url}/login").headers["Content-Security-Policy"]
        assert f"media-src 'self' {service};" in policy
    finally:
        server.stop()
