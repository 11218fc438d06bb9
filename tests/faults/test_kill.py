"""kill -9 of real processes at moments that a seed chooses: nothing acknowledged is ever lost.

Whoever was cut off does what tus tells it to, and the sweep finishes what nobody asks for.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from evidence.digests import SEGMENT_BYTES
from server.sealing import AT_ONCE_BYTES
from tests import databases
from tests.api.tus import OCTETS, Answer, Tus, checksum, metadata
from tests.contracts.stores import sha256
from tests.live import LiveServer
from tests.unit.custody_proofs import verify

MIB = 1024 * 1024
SEALING = ("sealing", "sealed")


def until(found: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def rows(server: LiveServer, query: str, *values: object) -> list[Any]:
    """Straight from the database, beside every server."""
    with databases.as_owner(server.bureau.database) as connection:
        named = {f"v{place}": value for place, value in enumerate(values)}
        for name in named:
            query = query.replace("?", f":{name}", 1)
        found = connection.execute(text(query), named)
        # A UUID is 32 hexadecimal digits on SQLite.
        return [tuple(getattr(value, "hex", value) for value in row) for row in found]


def state_of(server: LiveServer, where: str) -> str:
    upload_id = where.rpartition("/")[2].replace("-", "")
    found = rows(server, "SELECT state FROM uploads WHERE id = ?", upload_id)
    return str(found[0][0]).lower() if found else "no row"


def until_it_is(server: LiveServer, where: str, *states: str) -> None:
    """Where it does not become so, the failure says what the processes and the jobs had to say."""
    # A job that went with its process is missed after twenty seconds, and then tried again.
    end = time.monotonic() + 90
    while (state := state_of(server, where)) not in states:
        assert time.monotonic() < end, f"{where} is {state}\n{told(server)}"
        time.sleep(0.01)


def told(server: LiveServer) -> str:
    """What failed, and the last that each process wrote."""
    troubles = rows(server, "SELECT job, subject_id, attempts, problem FROM job_troubles")
    written = [
        f"--- {path.name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-30:])
        for path in (*server.data.parent.glob("*.out"), *server.data.glob("logs/*.log"))
    ]
    return "\n".join([*(str(trouble) for trouble in troubles), *written])


def until_begun(server: LiveServer, lives: int) -> None:
    """The worker has begun its `lives`th life."""
    until(lambda: server.said("worker").count("a worker begins") == lives)


def opened(tus: Tus, content: bytes, name: str = "a.mp4") -> str:
    claims = metadata(filename=name, sha256=sha256(content))
    return tus.create(len(content), {"Upload-Metadata": claims})


@contextmanager
def pouring(tus: Tus, where: str, offset: int, body: bytes) -> Iterator[None]:
    """Inside the block a PATCH is under way, a MiB at a time, until it is through or cut."""
    connection = socket.create_connection((tus.address.hostname, tus.address.port))
    headers = tus.headers(
        {"Upload-Offset": str(offset), "Content-Type": OCTETS, "Content-Length": str(len(body))}
    )
    lines = [f"PATCH {where} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]

    def send() -> None:
        with suppress(OSError):
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
            for at in range(0, len(body), MIB):
                connection.sendall(body[at : at + MIB])
                time.sleep(0.05)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        sender.join()
        connection.close()


def sent_when_free(tus: Tus, where: str, at: int, piece: bytes) -> Answer:
    """Send what goes on at `at`; on S3 a killed server's lease has to end first."""
    end = time.monotonic() + 15
    while True:
        sent = tus.send(where, at, piece, {"Upload-Checksum": checksum("sha256", piece)})
        if sent.status != 409 or time.monotonic() > end:
            return sent
        time.sleep(0.2)


def assert_whole(server: LiveServer, tus: Tus, where: str, content: bytes, folder: Path) -> None:
    """One exhibit with its events, one original, nothing in staging, and a proof that holds."""
    told = tus.state(where, 1)
    assert (told["state"], told["offset"]) == ("sealed", len(content))
    assert f"sha256 {sha256(content)}\n" in told["receipt"]
    exhibit_id = told["exhibit"].rsplit("/", 1)[1].replace("-", "")
    held = rows(server, "SELECT id FROM exhibits WHERE sha256 = ?", sha256(content))
    assert held == [(exhibit_id,)]
    kinds = rows(
        server,
        "SELECT kind FROM custody_events WHERE subject_id = ? ORDER BY position",
        exhibit_id,
    )
    kept = [kind for (kind,) in kinds if kind != "exhibit:probed"]
    assert kept == ["exhibit:acquired", "exhibit:sealed"]
    assert kinds.count(("exhibit:probed",)) <= 1
    assert list(server.store.originals()).count(sha256(content)) == 1
    audit(server, told["exhibit"], content, folder)


def audit(server: LiveServer, exhibit: str, content: bytes, folder: Path) -> None:
    """The proof that the server hands out, checked by the verifier as a stranger would run it."""
    supervisor = Tus(server, server.tokens["supervisor"])
    # A killed sequencer's lease has to end before the next one signs.
    until(lambda: supervisor.ask("GET", f"{exhibit}/proof").status == 200)
    answer = supervisor.ask("GET", f"{exhibit}/proof")
    folder.mkdir(exist_ok=True)
    (folder / "proof.json").write_bytes(answer.body)
    (folder / "original").write_bytes(content)
    code, said = verify(folder / "proof.json", folder / "original")
    assert code == 0, said
    assert json.loads(answer.body)["exhibit"]["sha256"] == sha256(content)


def staged(server: LiveServer) -> list[UUID]:
    return list(server.store.staged())


def test_a_web_process_killed_while_it_receives_keeps_every_acknowledged_byte(
    own_server: LiveServer, tmp_path: Path
) -> None:
    chance = random.Random(20230915)
    content = chance.randbytes(6 * SEGMENT_BYTES + 4321)
    own_server.start_brisk_worker()
    own_server.start_web()
    tus = Tus(own_server)
    where = opened(tus, content)
    at = tus.send(where, 0, content[: SEGMENT_BYTES + 17]).offset
    for _ in range(3):
        acknowledged = at
        with pouring(tus, where, at, content[at:]):
            time.sleep(chance.uniform(0, 0.6))
            own_server.kill_web()
        own_server.start_web()
        at = tus.offset(where)
        assert acknowledged <= at < len(content)
        piece = content[at : at + chance.randrange(1, 300_000)]
        sent = sent_when_free(tus, where, at, piece)
        assert (sent.status, sent.offset) == (204, at + len(piece))
        at = sent.offset
    assert tus.send(where, at, content[at:]).offset == len(content)
    until_it_is(own_server, where, "sealed")
    own_server.start()
    assert_whole(own_server, tus, where, content, tmp_path / "audit")
    assert staged(own_server) == []


def test_web_and_worker_killed_while_they_seal_have_sealed_once_or_not_at_all(
    own_server: LiveServer, tmp_path: Path
) -> None:
    chance = random.Random(430424)
    large = chance.randbytes(AT_ONCE_BYTES + 2 * MIB)
    contents = [large, *(chance.randbytes(20 * MIB + i) for i in range(3))]
    own_server.start_web()
    tus = Tus(own_server)
    uploads = [opened(tus, content, f"{i}.mp4") for i, content in enumerate(contents)]
    for where, content in zip(uploads, contents, strict=True):
        assert tus.send(where, 0, content[:-1]).status == 204
    # What was digested on the way is forgotten with the process: all of it is read back again,
    # the large one by the worker.
    own_server.kill_web()
    own_server.start_web()
    assert tus.send(uploads[0], len(large) - 1, large[-1:]).status == 204
    assert state_of(own_server, uploads[0]) == "sealing"
    for life, where in enumerate(uploads[1:], 1):
        own_server.start_brisk_worker()
        until_begun(own_server, life)
        time.sleep(chance.uniform(0, 0.3))
        own_server.kill_worker()
        with pouring(tus, where, len(contents[life]) - 1, contents[life][-1:]):
            until_it_is(own_server, where, *SEALING)
            time.sleep(chance.uniform(0, 0.06))
            own_server.kill_web()
        own_server.start_web()
    own_server.start_brisk_worker()
    for i, (where, content) in enumerate(zip(uploads, contents, strict=True)):
        until_it_is(own_server, where, "sealed")
        assert_whole(own_server, tus, where, content, tmp_path / f"audit{i}")
    until(lambda: staged(own_server) == [])
    own_server.start()
