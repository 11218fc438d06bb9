"""Three web processes behind nginx: an upload moves between them at every request.

nginx goes round: hardly two requests of one upload meet the same process. One is killed while
they come, and bytes arrive that are not those of their checksum.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from evidence.digests import SEGMENT_BYTES
from server.sealing import AT_ONCE_BYTES
from tests.api.tus import UPLOADS, Answer, Tus, checksum, metadata
from tests.contracts.stores import sha256
from tests.faults.test_kill import assert_whole, opened, rows, staged, until, until_it_is
from tests.front import WEBS, Front, TusPast

MIB = 1024 * 1024
# Nobody answers, or somebody is about to: ask again.
NOT_NOW = (409, 502, 503, 504)


class Carrier:
    """Brings one recording through nginx, whatever happens, and counts what did."""

    def __init__(self, front: Front, content: bytes, chance: random.Random, largest: int) -> None:
        self.tus = Tus(front)
        self.content, self.largest = content, largest
        self.chance = chance
        self.where = ""
        self.mismatches = self.interrupted = 0

    def carry(self) -> None:
        self.where = self._opened()
        at = 0
        while at < len(self.content):
            at = self._send(at)

    def _opened(self) -> str:
        """The same event again is the same upload, where the first answer was lost."""
        claims = metadata(filename="a.mp4", sha256=sha256(self.content), event_id=str(uuid4()))
        headers: dict[str, str | None] = {"Upload-Length": str(len(self.content))}
        until = time.monotonic() + 30
        while True:
            answer = self._asked("POST", UPLOADS, {**headers, "Upload-Metadata": claims})
            if answer is not None and answer.status == 201:
                return answer.headers["Location"]
            assert time.monotonic() < until, answer
            assert answer is None or answer.status in NOT_NOW, answer.body
            time.sleep(0.05)

    def _send(self, at: int) -> int:
        """One PATCH; where the upload stands afterwards."""
        piece = self.content[at : at + self.chance.randrange(1, self.largest)]
        headers: dict[str, str | None] = {}
        wrong = self.chance.random() < 0.1
        if wrong or self.chance.random() < 0.5:
            sent = piece[:-1] + bytes([piece[-1] ^ 1]) if wrong else piece
            headers["Upload-Checksum"] = checksum("sha256", sent)
        try:
            answer = self.tus.send(self.where, at, piece, headers)
        except (OSError, HTTPException):
            return self._stands(at)
        if answer.status == 204:
            assert not wrong
            assert answer.offset == at + len(piece)
            return answer.offset
        if answer.status == 460:
            assert wrong
            self.mismatches += 1
            assert self._stands(at) == at
            return at
        assert answer.status in NOT_NOW, answer.body
        return self._stands(at)

    def _stands(self, at_least: int) -> int:
        """What a client does that got no answer. Nothing acknowledged is ever gone."""
        self.interrupted += 1
        until = time.monotonic() + 30
        while True:
            answer = self._asked("HEAD", self.where)
            if answer is not None and answer.status == 200:
                assert at_least <= answer.offset <= len(self.content)
                return answer.offset
            assert time.monotonic() < until, answer
            assert answer is None or answer.status in NOT_NOW, answer.body
            time.sleep(0.05)

    def _asked(
        self, method: str, path: str, headers: dict[str, str | None] | None = None
    ) -> Answer | None:
        try:
            return self.tus.ask(method, path, headers)
        except (OSError, HTTPException):
            return None


@contextmanager
def one_killed_again_and_again(front: Front, chance: random.Random) -> Iterator[list[int]]:
    """Inside the block one web process after another is killed and started again."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.wait(chance.uniform(0.3, 0.8)):
            number = len(killed) % WEBS
            front.kill(number)
            killed.append(number)
            front.begin_web(number)
            front.until_web(number)

    with ThreadPoolExecutor(1) as beside:
        killing = beside.submit(kill)
        try:
            yield killed
        finally:
            over.set()
            killing.result()


def processes_of(front: Front, where: str) -> set[str]:
    """The web processes that took bytes of an upload, by nginx's word."""
    path = urlsplit(where).path
    return {
        line["web"]
        for line in front.log()
        if (line["method"], line["path"], line["status"]) == ("PATCH", path, 204)
    }


def test_uploads_that_move_between_processes_are_sealed_once_and_right(
    own_front: Front, tmp_path: Path
) -> None:
    own_front.start()
    chance = random.Random(20261124)
    small = [
        Carrier(own_front, chance.randbytes(200_000 + i), random.Random(i), 30_000)
        for i in range(6)
    ]
    large = [
        Carrier(own_front, chance.randbytes(3 * SEGMENT_BYTES + i), random.Random(i), 9 * MIB)
        for i in range(2)
    ]
    carriers = small + large
    with one_killed_again_and_again(own_front, chance) as killed, ThreadPoolExecutor(8) as pool:
        list(pool.map(Carrier.carry, carriers))
        until(lambda: bool(killed))
    for carrier in carriers:
        until_it_is(own_front, carrier.where, "sealed")
    for number, carrier in enumerate(carriers):
        folder = tmp_path / f"audit{number}"
        assert_whole(own_front, carrier.tus, carrier.where, carrier.content, folder)
    assert staged(own_front) == []
    assert all(len(processes_of(own_front, carrier.where)) > 1 for carrier in small)
    assert sum(carrier.mismatches for carrier in carriers) > 3
    (sealed,) = rows(own_front, "SELECT count(*) FROM exhibits WHERE state = 'SEALED'")
    assert sealed == (len(carriers),)
    assert "Traceback" not in "".join(own_front.said(f"web{n}") for n in range(WEBS))


def test_the_same_recording_through_every_process_at_once_is_one_exhibit(front: Front) -> None:
    content = random.Random(7).randbytes(2 * MIB)
    who = ["station", "officer", "street_officer"]
    clients = [TusPast(front, i, front.tokens[name]) for i, name in enumerate(who)]
    uploads = [opened(tus, content) for tus in clients]
    for tus, where in zip(clients, uploads, strict=True):
        assert tus.send(where, 0, content[:-1]).status == 204
    together = threading.Barrier(len(clients))

    def end(tus: TusPast, where: str) -> str:
        together.wait()
        assert tus.send(where, len(content) - 1, content[-1:]).status == 204
        return str(tus.state(where)["state"])

    with ThreadPoolExecutor(len(clients)) as pool:
        states = list(pool.map(end, clients, uploads))
    assert sorted(states) == ["duplicate", "duplicate", "sealed"]
    held = rows(front, "SELECT id FROM exhibits WHERE sha256 = ?", sha256(content))
    assert len(held) == 1


@pytest.mark.one_box("what the first has written is looked for on the disk")
def test_two_processes_never_write_one_upload_at_once(front: Front) -> None:
    content = random.Random(8).randbytes(MIB)
    one, other = TusPast(front, 0), TusPast(front, 1)
    where = opened(one, content)
    held = one.connect()
    headers = one.headers(
        {
            "Upload-Offset": "0",
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(len(content)),
        }
    )
    held.putrequest("PATCH", where)
    for name, value in headers.items():
        held.putheader(name, value)
    held.endheaders(content[:1000])
    staging = front.data / "store" / "staging" / where.rsplit("/", 1)[1] / "data"
    until(lambda: staging.read_bytes()[:1000] == content[:1000])
    refused = other.send(where, 0, content[:10])
    assert (refused.status, refused.code) == (409, "upload_leased")
    held.send(content[1000:])
    assert held.getresponse().status == 204
    held.close()
    until_it_is(front, where, "sealed")


def test_a_large_recording_is_sealed_by_the_worker_whichever_process_had_which_part(
    own_front: Front, tmp_path: Path
) -> None:
    own_front.start()
    content = random.Random(9).randbytes(AT_ONCE_BYTES + 3 * MIB)
    tus = Tus(own_front)
    where = opened(tus, content)
    at = 0
    while at < len(content):
        at = tus.send(where, at, content[at : at + 9 * MIB]).offset
    until_it_is(own_front, where, "sealed")
    assert len(processes_of(own_front, where)) == WEBS
    assert_whole(own_front, tus, where, content, tmp_path / "audit")


def test_an_upload_given_up_at_one_process_and_begun_anew_at_another_is_the_new_bytes(
    front: Front,
) -> None:
    """What the first process remembers of the bytes before is not taken for these."""
    old, new = b"o" * SEGMENT_BYTES, b"n" * SEGMENT_BYTES
    one, other = TusPast(front, 0), TusPast(front, 1)
    event = "f3b1f1de-6a43-4f34-9d0f-7f5a1f6f3e00"
    headers: dict[str, str | None] = {"Upload-Metadata": metadata(event_id=event)}
    where = one.create(SEGMENT_BYTES + 1, headers)
    assert one.send(where, 0, old).offset == SEGMENT_BYTES
    assert other.ask("DELETE", where).status == 204
    # The sweep may just be removing the area before.
    again = {"Upload-Length": str(SEGMENT_BYTES + 1), **headers}
    until(lambda: other.ask("POST", UPLOADS, again).headers["Location"] == where)
    assert other.send(where, 0, new).offset == SEGMENT_BYTES
    assert one.send(where, SEGMENT_BYTES, b"!").status == 204
    told = one.state(where)
    assert told["state"] == "sealed"
    assert f"sha256 {sha256(new + b'!')}\n" in told["receipt"]


@pytest.mark.parametrize("turn", range(12))
def test_a_refusal_before_the_body_is_read_comes_through(front: Front, turn: int) -> None:
    """nginx is still sending when the answer is there."""
    tus = Tus(front)
    where = tus.create(64 * MIB)
    answer = tus.send(where, 5 + turn, bytes(8 * MIB))
    assert (answer.status, answer.code) == (409, "offset_mismatch")
    assert tus.ask("DELETE", where).status == 204
    assert tus.ask("PATCH", f"{UPLOADS}/nothing", {}, bytes(MIB)).status == 404
