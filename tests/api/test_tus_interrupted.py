"""What goes wrong on the way, over real HTTP: nothing is lost, nothing is invented."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from evidence.digests import SEGMENT_BYTES
from tests.api.proxy import CuttingProxy
from tests.api.tus import OCTETS, UPLOADS, Tus, metadata
from tests.contracts.stores import sha256
from tests.live import LiveServer

CONTENT = random.Random(7).randbytes(3 * SEGMENT_BYTES + 12_345)


@pytest.fixture
def tus(live_server: LiveServer) -> Tus:
    return Tus(live_server)


def until(found: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


def half_sent(tus: Tus, where: str, offset: int, body: bytes, total: int) -> socket.socket:
    """A PATCH of `total` bytes of which only `body` was sent: the connection, still open."""
    connection = socket.create_connection((tus.address.hostname, tus.address.port))
    headers = tus.headers(
        {"Upload-Offset": str(offset), "Content-Type": OCTETS, "Content-Length": str(total)}
    )
    lines = [f"PATCH {where} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    return connection


@pytest.mark.parametrize("arrived", [0, 1, 1000, SEGMENT_BYTES, SEGMENT_BYTES + 70_001])
def test_what_arrived_before_the_connection_ended_is_kept_to_the_byte(
    tus: Tus, arrived: int
) -> None:
    where = tus.create(len(CONTENT))
    half_sent(tus, where, 0, CONTENT[:arrived], len(CONTENT)).close()
    until(lambda: tus.offset(where) == arrived)
    assert tus.send(where, arrived, CONTENT[arrived:]).offset == len(CONTENT)
    assert sha256(CONTENT) in tus.state(where)["receipt"]


def test_a_reset_connection_keeps_what_the_server_had_read(tus: Tus) -> None:
    where = tus.create(len(CONTENT))
    with CuttingProxy(tus.address.port or 0, [SEGMENT_BYTES + 400_000], reset=True) as proxy:
        connection = tus.connect(proxy.port)
        with contextlib.suppress(OSError, http.client.HTTPException):
            headers = {"Upload-Offset": "0", "Content-Type": OCTETS}
            connection.request("PATCH", where, CONTENT, tus.headers(headers))
            connection.getresponse()
        connection.close()
    until(lambda: tus.offset(where) >= 1)
    at = tus.offset(where)
    assert tus.send(where, at, CONTENT[at:]).offset == len(CONTENT)
    assert sha256(CONTENT) in tus.state(where)["receipt"]


def test_a_body_cut_under_a_checksum_leaves_the_offset(tus: Tus) -> None:
    where = tus.create(1000)
    tus.send(where, 0, b"x" * 10)
    connection = half_sent(tus, where, 10, b"", 990)
    connection.close()
    headers = {"Upload-Checksum": "sha1 AAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    assert tus.send(where, 10, b"y" * 10, headers).status == 460
    assert tus.offset(where) == 10


def test_while_one_writes_the_other_gets_409(tus: Tus) -> None:
    where = tus.create(1000)
    first = half_sent(tus, where, 0, b"a" * 100, 1000)
    try:
        until(lambda: tus.send(where, 0, b"").status == 409, 5)
        assert tus.send(where, 0, b"b" * 1000).status == 409
        first.sendall(b"a" * 900)
        assert first.recv(100).startswith(b"HTTP/1.1 204")
    finally:
        first.close()
    assert sha256(b"a" * 1000) in tus.state(where)["receipt"]


def test_of_two_at_one_offset_one_wins_and_the_other_gets_409(tus: Tus) -> None:
    body = os.urandom(2_000_000)
    where = tus.create(len(body))
    statuses: list[int] = []
    threads = [
        threading.Thread(target=lambda: statuses.append(tus.send(where, 0, body).status))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [204, 409]
    assert sha256(body) in tus.state(where)["receipt"]


def test_a_terminated_upload_stops_its_writer(tus: Tus) -> None:
    where = tus.create(1000)
    writer = half_sent(tus, where, 0, b"a" * 100, 1000)
    until(lambda: tus.send(where, 0, b"").status == 409, 5)
    assert tus.ask("DELETE", where).status == 204
    writer.sendall(b"a" * 900)
    assert writer.recv(100).split(b" ")[1] in (b"409", b"410")
    writer.close()
    assert tus.ask("HEAD", where).status == 410


def test_a_creation_sent_again_is_the_same_upload_where_it_stands(tus: Tus) -> None:
    headers: dict[str, str | None] = {
        "Upload-Metadata": metadata(filename="a.mp4", event_id=str(uuid4()))
    }
    where = tus.create(10, headers)
    tus.send(where, 0, b"0123")
    again = tus.ask("POST", UPLOADS, {"Upload-Length": "10", **headers})
    assert (again.status, again.headers["Location"], again.offset) == (201, where, 4)
    other = tus.ask("POST", UPLOADS, {"Upload-Length": "11", **headers})
    assert (other.status, other.code) == (409, "identifier_reused")


def test_creations_racing_under_one_event_are_one_upload(tus: Tus) -> None:
    headers: dict[str, str | None] = {"Upload-Metadata": metadata(event_id=str(uuid4()))}
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(tus.create(10, headers))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1


def test_another_actors_event_is_another_upload(live_server: LiveServer, tus: Tus) -> None:
    headers: dict[str, str | None] = {"Upload-Metadata": metadata(event_id=str(uuid4()))}
    officer = Tus(live_server, live_server.tokens["officer"])
    assert officer.create(10, headers) != tus.create(10, headers)


def test_a_terminated_upload_can_be_asked_for_again(tus: Tus) -> None:
    headers: dict[str, str | None] = {"Upload-Metadata": metadata(event_id=str(uuid4()))}
    where = tus.create(4, headers)
    tus.send(where, 0, b"xx")
    tus.ask("DELETE", where)
    assert tus.create(4, headers) == where
    assert tus.offset(where) == 0
    assert tus.send(where, 0, os.urandom(4)).offset == 4
    assert tus.state(where)["state"] == "sealed"


def test_the_answer_to_the_last_byte_may_be_lost(tus: Tus) -> None:
    body = os.urandom(5000)
    where = tus.create(len(body))
    half_sent(tus, where, 0, body, len(body)).close()
    until(lambda: tus.state(where, wait=0)["state"] == "sealed")
    assert tus.offset(where) == len(body)


def test_whoever_asks_in_the_moment_of_sealing_is_never_told_that_it_is_gone(tus: Tus) -> None:
    for _ in range(15):
        body = os.urandom(3000)
        where = tus.create(len(body))
        sender = threading.Thread(target=tus.send, args=(where, 0, body))
        sender.start()
        told = set()
        while (state := tus.state(where, wait=0)["state"]) != "sealed":
            told.add(state)
            assert tus.ask("HEAD", where).status == 200
            assert tus.send(where, 3000, b"").status in (204, 409)
        sender.join()
        assert told <= {"receiving", "sealing"}


@pytest.mark.one_box("a lock of the kernel; that of S3 is in tests/contracts")
def test_a_killed_server_goes_on_at_the_durable_byte(own_server: LiveServer) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    where = tus.create(len(CONTENT))
    connection = half_sent(tus, where, 0, CONTENT[: 2 * SEGMENT_BYTES + 5], len(CONTENT))
    staging = own_server.data / "store" / "staging" / where.rsplit("/", 1)[1] / "journal"
    until(lambda: staging.stat().st_size >= 2 * 64)
    own_server.kill_web()
    connection.close()
    own_server.start_web()
    at = tus.offset(where)
    assert at == 2 * SEGMENT_BYTES
    # Nobody waits for a lease to run out: the dead hold none.
    assert tus.send(where, at, CONTENT[at:]).offset == len(CONTENT)
    told = tus.state(where)
    assert told["state"] == "sealed"
    assert sha256(CONTENT) in told["receipt"]


@pytest.mark.one_box("S3 has whole journals only")
def test_a_torn_journal_is_cut_and_sent_again(own_server: LiveServer) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    where = tus.create(100)
    tus.send(where, 0, b"a" * 40)
    tus.send(where, 40, b"b" * 20)
    own_server.kill_web()
    journal = own_server.data / "store" / "staging" / where.rsplit("/", 1)[1] / "journal"
    with journal.open("r+b") as book:
        book.truncate(64 + 30)
    own_server.start_web()
    assert tus.offset(where) == 40
    assert tus.send(where, 40, b"c" * 60).offset == 100
    assert sha256(b"a" * 40 + b"c" * 60) in tus.state(where)["receipt"]


def test_a_last_byte_that_a_crash_left_unnoticed_is_sealed(own_server: LiveServer) -> None:
    own_server.start_web()
    tus = Tus(own_server)
    where = tus.create(11)
    upload_id = where.rsplit("/", 1)[1]
    own_server.kill_web()
    # What a crash leaves between the journal's last record and the row.
    with own_server.store.writer(UUID(upload_id)) as writer:
        writer.write(b"every byte.")
        writer.commit()
    own_server.start_web()
    assert tus.offset(where) == 11
    assert tus.state(where)["state"] == "sealed"
