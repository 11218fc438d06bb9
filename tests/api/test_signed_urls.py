"""Bytes straight from the storage service: by a short-lived URL, whose making is an event."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.api.tus import Tus, metadata
from tests.bureau import Bureau
from tests.faults.clocked import ClockedServer
from tests.faults.test_kill import until
from tests.live import ROOT, LiveServer

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


def test_a_url_that_plays_ends_when_the_event_that_covers_it_does(bureau: Bureau) -> None:
    server = ClockedServer(bureau, {"ZHENGLIAN_SIGNED_URLS": "on"})
    try:
        server.start()
        content = (ROOT / "tests" / "golden" / "media" / "DSCN0010.jpg").read_bytes()
        tus = Tus(server)
        where = tus.create(len(content), {"Upload-Metadata": metadata(filename="照片.jpg")})
        tus.send(where, 0, content)
        exhibit = tus.state(where)["exhibit"]
        supervisor = {"Authorization": f"Bearer {server.tokens['supervisor']}"}

        def played(seconds_later: int) -> tuple[int, list[int]]:
            """For how long the URL is good, and for how long each event says that one is."""
            server.set_clock(seconds_later)
            answer = httpx.get(f"{server.url}{exhibit}/original?play=1", headers=supervisor)
            assert answer.status_code == 307, answer.text
            log = httpx.get(f"{server.url}{exhibit}/custody", headers=supervisor).json()
            logged = [e["details"] for e in log["events"] if e["kind"] == "exhibit:played"]
            url = parse_qs(urlsplit(answer.headers["Location"]).query)
            return int(url["X-Amz-Expires"][0]), [said["url_seconds"] for said in logged]

        until(
            lambda: httpx.get(f"{server.url}{exhibit}", headers=supervisor).json()["media"]["type"]
        )
        assert played(0) == (590, [600])
        good_for, logged = played(300)
        assert logged == [600]
        assert 200 < good_for <= 290
        # A player that is given a minute has no use of it: there is a new event instead.
        assert played(580) == (590, [600, 600])
    finally:
        server.stop()
