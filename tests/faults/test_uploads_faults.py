"""Uploads whose storage fails at the worst moment: lost, or done but not reported.

The client does what tus tells it to: it asks where the upload stands, and goes on from there.
Or another process comes between two steps of this one.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from evidence.custody.models import CustodyEvent
from evidence.storage.memory import Fault, MemoryStore, Operation
from evidence.uploads import receiving
from evidence.uploads.models import Upload
from server import create_app, intake, sealing, sweeping
from server.extensions import db, store
from server.in_hand import InHand
from tests import databases
from tests.api.tus import OCTETS, UPLOADS, metadata
from tests.bureau import Bureau
from tests.conftest import SteppingClock
from tests.contracts.stores import sha256
from tests.faults.failing import failing_rollback, ordered

BOTH: tuple[Fault, ...] = ("lost", "done but not reported")


@pytest.fixture
def app(bureau: Bureau) -> Iterator[Flask]:
    app = create_app({**bureau.environ, "ZHENGLIAN_STORE_URL": "memory:"}, TESTING=True)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def memory(app: Flask) -> MemoryStore:
    with app.app_context():
        found = store()
    assert isinstance(found, MemoryStore)
    return found


class Dock:
    """A station's client."""

    def __init__(self, client: FlaskClient, token: str) -> None:
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}

    def ask(
        self, method: str, where: str, headers: dict[str, str] | None = None, **kwargs: object
    ) -> TestResponse:
        given = {**self._headers, **(headers or {})}
        return self._client.open(where, method=method, headers=given, **kwargs)  # type: ignore[arg-type]

    def create(self, length: int, event_id: str) -> TestResponse:
        headers = {"Upload-Length": str(length), "Upload-Metadata": metadata(event_id=event_id)}
        return self.ask("POST", UPLOADS, headers)

    def send(self, where: str, offset: int, body: bytes) -> TestResponse:
        headers = {"Upload-Offset": str(offset), "Content-Type": OCTETS}
        return self.ask("PATCH", where, headers, data=body)

    def offset(self, where: str) -> int:
        return int(self.ask("HEAD", where).headers["Upload-Offset"])


@pytest.fixture
def dock(client: FlaskClient, bureau: Bureau) -> Dock:
    return Dock(client, bureau.tokens["station"])


@pytest.mark.parametrize("fault", BOTH)
def test_a_creation_that_failed_is_asked_for_again(
    dock: Dock, memory: MemoryStore, fault: Fault
) -> None:
    event_id = str(uuid4())
    memory.faults["create"] = fault
    refused = dock.create(4, event_id)
    assert (refused.status_code, refused.json["code"]) == (503, "storage_unavailable")
    memory.faults.clear()
    where = dock.create(4, event_id).headers["Location"]
    assert dock.send(where, 0, b"abcd").status_code == 204
    assert dock.ask("GET", where).json["state"] == "sealed"
    assert list(memory.staged()) == []


@pytest.mark.parametrize("fault", BOTH)
def test_bytes_whose_commit_failed_are_sent_from_the_servers_offset(
    dock: Dock, memory: MemoryStore, fault: Fault
) -> None:
    where = dock.create(8, str(uuid4())).headers["Location"]
    dock.send(where, 0, b"abc")
    memory.faults["commit"] = fault
    assert dock.send(where, 3, b"defgh").status_code == 503
    memory.faults.clear()
    at = dock.offset(where)
    assert at in (3, 8)
    assert dock.send(where, at, b"abcdefgh"[at:]).status_code == 204
    told = dock.ask("GET", where).json
    assert told["state"] == "sealed"
    assert list(memory.originals()) == [sha256(b"abcdefgh")]


@pytest.mark.parametrize("operation", ["file", "remove"])
@pytest.mark.parametrize("fault", BOTH)
def test_a_sealing_that_failed_acknowledges_every_byte_all_the_same(
    dock: Dock, memory: MemoryStore, operation: Operation, fault: Fault
) -> None:
    where = dock.create(4, str(uuid4())).headers["Location"]
    memory.faults[operation] = fault
    assert dock.send(where, 0, b"abcd").status_code == 204
    assert dock.offset(where) == 4
    assert dock.ask("GET", where).json["state"] in ("sealing", "sealed")
    assert dock.ask("DELETE", where).status_code == 403


@pytest.mark.parametrize("fault", BOTH)
def test_a_termination_stands_even_where_the_bytes_could_not_be_removed(
    dock: Dock, memory: MemoryStore, fault: Fault
) -> None:
    where = dock.create(4, str(uuid4())).headers["Location"]
    memory.faults["remove"] = fault
    dock.ask("DELETE", where)
    memory.faults.clear()
    assert dock.ask("HEAD", where).status_code == 410


def test_a_full_store_refuses_before_a_byte_is_sent(dock: Dock, memory: MemoryStore) -> None:
    memory.capacity = 10
    refused = dock.create(11, str(uuid4()))
    assert (refused.status_code, refused.json["code"]) == (507, "storage_full")
    assert list(memory.staged()) == []


class Watched(io.BytesIO):
    """A body that looks, while it is read, whether a transaction is open."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.looks: list[bool] = []

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        self.looks.append(db.session().in_transaction())
        piece = super().read(10)
        buffer[: len(piece)] = piece
        return len(piece)


def test_no_transaction_is_open_while_a_body_is_read(dock: Dock) -> None:
    where = dock.create(100, str(uuid4())).headers["Location"]
    body = Watched(os.urandom(100))
    headers = {"Upload-Offset": "0", "Content-Type": OCTETS}
    answer = dock.ask("PATCH", where, headers, input_stream=body)
    assert answer.headers["Upload-Offset"] == "100"
    assert len(body.looks) >= 10
    assert not any(body.looks)


def test_an_answer_stands_where_the_database_goes_after_it_was_made(app: Flask, dock: Dock) -> None:
    where = f"{UPLOADS}?sha256={'0' * 64}"
    assert dock.ask("GET", where).status_code == 200
    with failing_rollback(app):
        assert dock.ask("GET", where).status_code == 200
    assert dock.ask("GET", where).status_code == 200


def overtaken_after(
    monkeypatch: pytest.MonkeyPatch, step: str, other: Callable[[], object]
) -> None:
    """The next time that the store has done `step`, `other` happens before its caller goes on."""
    done = getattr(MemoryStore, step)

    def do(memory: MemoryStore, upload_id: UUID) -> Any:
        found = done(memory, upload_id)
        monkeypatch.undo()
        # What this process has in hand is nothing to another.
        monkeypatch.setattr(sealing, "_sealing", InHand())
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(other).result()
        return found

    monkeypatch.setattr(MemoryStore, step, do)


def kinds_of_all(app: Flask) -> list[str]:
    with app.app_context():
        kinds = select(CustodyEvent.kind).where(CustodyEvent.subject_type == "exhibit")
        return sorted(db.session.scalars(kinds))


def test_a_request_whose_upload_the_worker_seals_does_not_receive_it_again(
    app: Flask, dock: Dock, memory: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took so long to read back that its upload was taken for lost."""
    where = dock.create(4, str(uuid4())).headers["Location"]

    def seal() -> None:
        # The staging area is not removed yet when the request goes on.
        with app.app_context(), ordered(memory, "remove", "lost"):
            sealing.seal_upload(UUID(where.rsplit("/", 1)[1]))

    overtaken_after(monkeypatch, "read_back", seal)
    assert dock.send(where, 0, b"abcd").status_code == 204
    assert dock.ask("GET", where).json["state"] == "sealed"
    assert kinds_of_all(app) == ["exhibit:acquired", "exhibit:sealed"]


@pytest.mark.skipif(
    not databases.grown_up(), reason="on SQLite nobody else writes while the sweep does"
)
def test_an_upload_that_is_sealed_while_the_sweep_asks_for_offsets_stays_sealed(
    app: Flask,
    dock: Dock,
    memory: MemoryStore,
    clock: SteppingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where = dock.create(4, str(uuid4())).headers["Location"]
    with memory.writer(UUID(where.rsplit("/", 1)[1])) as writer:
        writer.write(b"abcd")
        writer.commit()
    clock.step(minutes=3)
    overtaken_after(monkeypatch, "offset", lambda: dock.offset(where))
    with app.app_context():
        sweeping.sweep()
    assert dock.ask("GET", where).json["state"] == "sealed"
    assert kinds_of_all(app) == ["exhibit:acquired", "exhibit:sealed"]


@pytest.mark.skipif(not databases.grown_up(), reason="on SQLite one writes after the other")
def test_who_gives_an_upload_up_while_its_last_byte_comes_hears_that_it_came(
    app: Flask, dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = dock.create(4, str(uuid4())).headers["Location"]
    complete, locked = receiving.complete, receiving.locked
    completed, waits = threading.Event(), threading.Event()

    def slowly(upload: Upload) -> bool:
        found = complete(upload)
        db.session.flush()
        completed.set()
        assert waits.wait(10)
        time.sleep(0.3)  # until the other waits for the lock itself
        return found

    def then(session: Session, upload_id: UUID) -> Upload:
        if completed.is_set():
            waits.set()
        return locked(session, upload_id)

    monkeypatch.setattr(receiving, "complete", slowly)
    monkeypatch.setattr(receiving, "locked", then)
    with ThreadPoolExecutor(1) as elsewhere:
        sent = elsewhere.submit(dock.send, where, 0, b"abcd")
        assert completed.wait(10)
        given_up = dock.ask("DELETE", where)
        assert sent.result().status_code == 204
    assert (given_up.status_code, given_up.json["code"]) == (403, "upload_sealed")
    assert dock.ask("GET", where).json["state"] == "sealed"
    assert kinds_of_all(app) == ["exhibit:acquired", "exhibit:sealed"]


def test_what_was_given_up_and_opened_again_since_its_last_byte_is_not_sealed_empty(
    app: Flask, dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    event_id = str(uuid4())
    where = dock.create(4, event_id).headers["Location"]
    settle = intake.settle

    def late(upload: Upload, at: int) -> Upload:
        monkeypatch.undo()
        db.session.rollback()
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(dock.ask, "DELETE", where).result()
            elsewhere.submit(dock.create, 4, event_id).result()
        return settle(upload, at)

    monkeypatch.setattr(intake, "settle", late)
    dock.send(where, 0, b"abcd")
    assert dock.offset(where) == 0
    assert dock.send(where, 0, b"abcd").status_code == 204
    assert dock.ask("GET", where).json["state"] == "sealed"
