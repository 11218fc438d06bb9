"""Who may touch an upload: the one who made it, with a token that holds, and nobody else."""

from __future__ import annotations

import hashlib
import os
from urllib.parse import quote

import pytest

from tests import databases
from tests.api.tus import OCTETS, UPLOADS, Tus, metadata
from tests.live import LiveServer


@pytest.fixture
def tus(live_server: LiveServer) -> Tus:
    return Tus(live_server)


@pytest.mark.parametrize("method", ["POST", "HEAD", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("token", [None, "zl_made_up", "x" * 500])
def test_a_stranger_is_asked_who_he_is(
    live_server: LiveServer, tus: Tus, method: str, token: str | None
) -> None:
    where = UPLOADS if method == "POST" else tus.create(5)
    headers = {"Upload-Length": "5", "Upload-Offset": "0", "Content-Type": OCTETS}
    assert Tus(live_server, token).ask(method, where, headers, b"").status == 401


@pytest.mark.parametrize("role", ["supervisor", "reviewer", "leader", "auditor", "administrator"])
def test_who_may_not_upload_gets_403_and_no_role_can_be_claimed(
    live_server: LiveServer, role: str
) -> None:
    person = Tus(live_server, live_server.tokens[role])
    headers = {"Upload-Length": "5", "X-Role": "station", "X-Forwarded-User": "officer"}
    assert person.ask("POST", UPLOADS, headers).status == 403


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("other", ["officer", "handler"])
def test_somebody_elses_upload_is_not_there(
    live_server: LiveServer, tus: Tus, method: str, other: str
) -> None:
    where = tus.create(5)
    person = Tus(live_server, live_server.tokens[other])
    headers = {"Upload-Offset": "0", "Content-Type": OCTETS}
    assert person.ask(method, where, headers, b"").status == 404
    assert tus.offset(where) == 0


def test_somebody_elses_part_cannot_be_joined(live_server: LiveServer, tus: Tus) -> None:
    part = tus.create(4, {"Upload-Concat": "partial"})
    tus.send(part, 0, b"mine")
    person = Tus(live_server, live_server.tokens["officer"])
    assert person.ask("POST", UPLOADS, {"Upload-Concat": f"final;{part}"}).status == 404


def test_a_token_that_ends_in_mid_upload_leaves_the_offset(own_server: LiveServer) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    person = Tus(own_server, own_server.tokens["officer"])
    body = os.urandom(1000)
    where = person.create(len(body))
    person.send(where, 0, body[:400])
    with databases.as_owner(own_server.bureau.database) as database:
        database.exec_driver_sql("UPDATE tokens SET expires_at = '2020-01-01 00:00:00.000000'")
    assert person.send(where, 400, body[400:]).status == 401
    assert tus.ask("HEAD", where).status == 401
    answer = person.ask(
        "POST",
        "/api/v1/auth/token",
        {"Content-Type": "application/json"},
        b'{"username": "officer", "password": "correct horse battery"}',
    )
    again = Tus(own_server, answer.json["token"])
    assert again.offset(where) == 400
    assert again.send(where, 400, body[400:]).offset == 1000
    assert again.state(where)["state"] == "sealed"


def test_only_who_brought_the_bytes_is_told_that_they_are_here(
    live_server: LiveServer, tus: Tus
) -> None:
    body = os.urandom(500)
    digest = hashlib.sha256(body).hexdigest()
    where = tus.create(500, {"Upload-Metadata": metadata(sha256=digest)})
    assert tus.ask("GET", f"{UPLOADS}?sha256={digest}").json == {"sealed": False}
    tus.send(where, 0, body)
    told = tus.state(where)
    answer = tus.ask("GET", f"{UPLOADS}?sha256={digest}").json
    assert (answer["sealed"], answer["receipt"]) == (True, told["receipt"])
    officer = Tus(live_server, live_server.tokens["officer"])
    assert officer.ask("GET", f"{UPLOADS}?sha256={digest}").json == {"sealed": False}


@pytest.mark.parametrize("sha256", ["", "x", "' OR 1=1 --", "0" * 64])
def test_a_digest_that_is_none_is_not_here(tus: Tus, sha256: str) -> None:

    assert tus.ask("GET", f"{UPLOADS}?sha256={quote(sha256)}").json == {"sealed": False}


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "a\0b", "长" * 300, "\u202emp4.exe", "<script>", "=1+1", "'; DROP--"],
)
def test_a_bad_name_is_kept_as_a_claim_and_harms_nothing(
    live_server: LiveServer, tus: Tus, name: str
) -> None:
    body = os.urandom(50)
    where = tus.create(50, {"Upload-Metadata": metadata(filename=name)})
    tus.send(where, 0, body)
    told = tus.state(where)
    assert told["state"] == "sealed"
    assert told["filename"] == name.replace("\0", "\u2400")
    digest = hashlib.sha256(body).hexdigest()
    assert b"".join(live_server.store.read(digest)) == body


def test_a_digest_that_was_a_lie_ends_in_quarantine(tus: Tus) -> None:
    where = tus.create(4, {"Upload-Metadata": metadata(sha256="ab" * 32)})
    tus.send(where, 0, os.urandom(4))
    told = tus.state(where)
    assert told["state"] == "quarantined"
    assert told["receipt"] is None
    assert told["outcome"]["message"]
    assert tus.ask("DELETE", where).status == 403


def test_the_same_bytes_again_are_a_duplicate_with_the_same_exhibit(tus: Tus) -> None:
    body = os.urandom(5000)
    told = []
    for _ in range(2):
        where = tus.create(len(body))
        tus.send(where, 0, body)
        told.append(tus.state(where))
    assert [t["state"] for t in told] == ["sealed", "duplicate"]
    assert told[0]["exhibit"] == told[1]["exhibit"]


def test_memory_does_not_grow_with_the_body(own_server: LiveServer) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    piece = os.urandom(1024 * 1024)
    tus.send(tus.create(len(piece)), 0, piece)
    before = own_server.memory("web")
    where = tus.create(300 * len(piece))
    headers = {
        "Upload-Offset": "0",
        "Content-Type": OCTETS,
        "Content-Length": str(300 * len(piece)),
    }
    answer = tus.ask("PATCH", where, headers, (piece for _ in range(300)))
    assert answer.offset == 300 * len(piece)
    assert own_server.memory("web") - before < 80_000_000


def test_a_body_of_known_length_is_read_from_the_socket_and_the_connection_goes_on(
    tus: Tus,
) -> None:
    connection = tus.connect()
    for _ in range(3):
        where = tus.create(3_000_000)
        headers = tus.headers({"Upload-Offset": "0", "Content-Type": OCTETS})
        connection.request("PATCH", where, os.urandom(3_000_000), headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.headers["Upload-Offset"] == "3000000"
    connection.close()
