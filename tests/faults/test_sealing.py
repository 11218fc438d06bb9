"""Sealing whose every write fails once: lost, or done but not reported.

Whatever happened, doing it again, or the sweep, ends in the same: one exhibit, one event of each
kind, one receipt, one original, nothing in staging.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from evidence.custody.models import CustodyEvent
from evidence.errors import StorageUnavailable
from evidence.exhibits.models import Exhibit, ExhibitState, MediaState
from evidence.exhibits.receipt import verify_receipt
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.storage.memory import Fault, MemoryStore
from evidence.uploads import receiving
from evidence.uploads.headers import Claims
from evidence.uploads.models import Upload, UploadState
from server import create_app, sealing, sweeping, troubles
from server.extensions import db, signer, store
from server.unit_of_work import unit_of_work
from tests.bureau import Bureau
from tests.conftest import SteppingClock
from tests.contracts.stores import sha256
from tests.faults.failing import (
    BOTH,
    NotReported,
    failing_commit,
    failing_queue,
    ordered,
    work_off,
)

CONTENT = b"what the recorder saw"
OTHER = "0" * 64
PHOTOGRAPH = Path(__file__).resolve().parents[1] / "golden" / "media" / "DSCN0010.jpg"
Again = Callable[[UUID], None]


@pytest.fixture
def app(bureau: Bureau, clock: SteppingClock) -> Iterator[Flask]:
    app = create_app({**bureau.environ, "ZHENGLIAN_STORE_URL": "memory:"}, TESTING=True)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def memory(app: Flask) -> MemoryStore:
    found = store()
    assert isinstance(found, MemoryStore)
    return found


@pytest.fixture
def dock(bureau: Bureau) -> Actor:
    return Actor(
        type=ActorType.SYSTEM,
        id=bureau.station_id,
        via=Via.DOCK,
        name="采集站",
        roles=frozenset({Role.STATION}),
    )


@pytest.fixture
def arrived(memory: MemoryStore, dock: Actor) -> Callable[..., UUID]:
    """`arrived(content)` is an upload whose last byte is durable and which nobody seals yet."""

    def arrive(content: bytes = CONTENT, claimed: str | None = None) -> UUID:
        claims = Claims(filename="a.mp4", sha256=claimed or sha256(content), event_id=uuid4())
        length = len(content)
        upload = receiving.new(dock, length=length, claims=claims, metadata_raw="", largest=length)
        memory.create(upload.id, length)
        with memory.writer(upload.id) as writer:
            writer.write(content)
            writer.commit()
        with unit_of_work() as session:
            session.add(upload)
            assert receiving.complete(upload)
        return upload.id

    return arrive


@pytest.fixture
def sweep(app: Flask, clock: SteppingClock) -> Callable[[], None]:
    """Two sweeps later, and the jobs that they found."""

    def sweep() -> None:
        clock.step(seconds=sweeping.LOST_AFTER.total_seconds() + 1)
        for _ in range(2):
            sweeping.sweep()
            work_off(app)

    return sweep


@pytest.fixture(params=["the job again", "the sweep alone"])
def again(request: pytest.FixtureRequest, sweep: Callable[[], None]) -> Again:
    """What comes after a failure."""

    def retry(upload_id: UUID) -> None:
        if request.param == "the job again":
            sealing.seal_upload(upload_id)
        sweep()

    return retry


def upload_of(upload_id: UUID) -> Upload:
    db.session.rollback()
    return db.session.get_one(Upload, upload_id, populate_existing=True)


def kinds_of(exhibit_id: UUID) -> list[str]:
    """What was logged of an exhibit, the media tools' reading apart."""
    found = db.session.scalars(
        select(CustodyEvent.kind)
        .where(CustodyEvent.subject_id == exhibit_id)
        .order_by(CustodyEvent.position)
    )
    return [kind for kind in found if kind != "exhibit:probed"]


def only_exhibit() -> Exhibit:
    db.session.rollback()
    return db.session.scalars(select(Exhibit)).one()


def assert_sealed_once(memory: MemoryStore, upload_id: UUID) -> None:
    exhibit, upload = only_exhibit(), upload_of(upload_id)
    assert (exhibit.state, exhibit.sha256) == (ExhibitState.SEALED, sha256(CONTENT))
    assert kinds_of(exhibit.id) == ["exhibit:acquired", "exhibit:sealed"]
    assert (upload.state, upload.exhibit_id) == (UploadState.SEALED, exhibit.id)
    said = verify_receipt(
        upload.receipt or "", [signer().verifier_key], sha256=exhibit.sha256, size=len(CONTENT)
    )
    assert (said.upload, said.exhibit) == (upload_id, exhibit.id)
    assert list(memory.originals()) == [sha256(CONTENT)]
    assert list(memory.staged()) == []


@pytest.mark.parametrize("fault", BOTH)
def test_an_original_whose_filing_failed_is_sealed_once(
    memory: MemoryStore, arrived: Callable[..., UUID], again: Again, fault: Fault
) -> None:
    upload_id = arrived()
    memory.faults["file"] = fault
    with pytest.raises(StorageUnavailable):
        sealing.seal_upload(upload_id)
    assert upload_of(upload_id).state is UploadState.SEALING
    assert db.session.scalars(select(Exhibit)).all() == []
    memory.faults.clear()
    again(upload_id)
    assert_sealed_once(memory, upload_id)


@pytest.mark.parametrize("fault", BOTH)
def test_a_sealing_whose_commit_failed_is_the_same_sealing_afterwards(
    memory: MemoryStore, arrived: Callable[..., UUID], again: Again, fault: Fault
) -> None:
    upload_id = arrived()
    with failing_commit(fault), pytest.raises(NotReported):
        sealing.seal_upload(upload_id)
    before = upload_of(upload_id).receipt
    assert (before is None) == (fault == "lost")
    again(upload_id)
    assert_sealed_once(memory, upload_id)
    assert before in (None, upload_of(upload_id).receipt)


@pytest.mark.parametrize("fault", BOTH)
def test_a_sealing_stands_where_its_staging_area_could_not_be_removed(
    memory: MemoryStore, arrived: Callable[..., UUID], again: Again, fault: Fault
) -> None:
    upload_id = arrived()
    memory.faults["remove"] = fault
    sealing.seal_upload(upload_id)
    assert upload_of(upload_id).state is UploadState.SEALED
    memory.faults.clear()
    again(upload_id)
    assert_sealed_once(memory, upload_id)


@pytest.mark.parametrize("fault", BOTH)
def test_a_sealing_that_could_not_be_enqueued_is_found_by_the_sweep(
    app: Flask,
    memory: MemoryStore,
    arrived: Callable[..., UUID],
    again: Again,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    monkeypatch.setattr(sealing, "AT_ONCE_BYTES", -1)
    upload_id = arrived()
    with failing_queue(app, fault):
        sealing.finish(upload_id)
    assert upload_of(upload_id).state is UploadState.SEALING
    again(upload_id)
    assert_sealed_once(memory, upload_id)


@pytest.mark.parametrize("fault", BOTH)
@pytest.mark.parametrize("operation", ["quarantine", "commit", "remove"])
def test_bytes_that_differ_are_in_quarantine_once_whatever_failed(
    memory: MemoryStore,
    arrived: Callable[..., UUID],
    sweep: Callable[[], None],
    operation: str,
    fault: Fault,
) -> None:
    upload_id = arrived(claimed=OTHER)
    with failing_commit(fault) if operation == "commit" else ordered(memory, operation, fault):
        sealing.finish(upload_id)
    sweep()
    exhibit, upload = only_exhibit(), upload_of(upload_id)
    assert exhibit.state is ExhibitState.QUARANTINED
    assert kinds_of(exhibit.id) == ["exhibit:acquired", "exhibit:quarantined"]
    assert (upload.state, upload.receipt) == (UploadState.QUARANTINED, None)
    assert b"".join(memory.read_quarantined(exhibit.id)) == CONTENT
    assert list(memory.originals()) == []
    assert list(memory.staged()) == []


@pytest.mark.parametrize("fault", BOTH)
@pytest.mark.parametrize("operation", ["file", "commit", "remove"])
def test_the_same_bytes_again_are_received_again_once_whatever_failed(
    memory: MemoryStore,
    arrived: Callable[..., UUID],
    sweep: Callable[[], None],
    operation: str,
    fault: Fault,
) -> None:
    sealing.seal_upload(arrived())
    upload_id = arrived()
    with failing_commit(fault) if operation == "commit" else ordered(memory, operation, fault):
        sealing.finish(upload_id)
    sweep()
    exhibit, upload = only_exhibit(), upload_of(upload_id)
    assert kinds_of(exhibit.id) == ["exhibit:acquired", "exhibit:sealed", "exhibit:received_again"]
    assert (upload.state, upload.exhibit_id) == (UploadState.DUPLICATE, exhibit.id)
    assert f"upload {upload_id}\n" in (upload.receipt or "")
    assert list(memory.originals()) == [sha256(CONTENT)]
    assert list(memory.staged()) == []


@pytest.mark.parametrize("fault", BOTH)
@pytest.mark.parametrize("operation", ["enqueue", "derivative", "commit"])
def test_an_exhibit_is_read_with_the_media_tools_once_whatever_failed(
    app: Flask,
    memory: MemoryStore,
    arrived: Callable[..., UUID],
    sweep: Callable[[], None],
    operation: str,
    fault: Fault,
) -> None:
    upload_id = arrived(PHOTOGRAPH.read_bytes())
    if operation == "enqueue":
        with failing_queue(app, fault):
            sealing.seal_upload(upload_id)
    else:
        sealing.seal_upload(upload_id)
        with failing_commit(fault) if operation == "commit" else ordered(memory, operation, fault):
            work_off(app)
    sweep()
    exhibit = only_exhibit()
    assert exhibit.media_state is MediaState.READ
    assert memory.derivative(exhibit.poster_sha256 or "").startswith(b"\xff\xd8")
    probed = select(CustodyEvent).where(CustodyEvent.kind == "exhibit:probed")
    assert len(db.session.scalars(probed).all()) == 1


def at_once(app: Flask, uploads: list[UUID]) -> None:
    """Seal them in as many threads, all beginning together."""
    ready = threading.Barrier(len(uploads))
    failures: list[Exception] = []

    def seal(upload_id: UUID) -> None:
        with app.app_context():
            ready.wait()
            try:
                sealing.seal_upload(upload_id)
            except Exception as error:  # noqa: BLE001  (a thread's, told by the test)
                failures.append(error)

    threads = [threading.Thread(target=seal, args=(upload_id,)) for upload_id in uploads]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_two_that_seal_one_upload_at_once_seal_it_once(
    app: Flask, memory: MemoryStore, arrived: Callable[..., UUID]
) -> None:
    upload_id = arrived()
    at_once(app, [upload_id] * 4)
    assert_sealed_once(memory, upload_id)


def test_the_same_bytes_sealed_twice_at_once_are_one_original(
    app: Flask, memory: MemoryStore, arrived: Callable[..., UUID]
) -> None:
    uploads = [arrived() for _ in range(4)]
    at_once(app, uploads)
    states = sorted(upload_of(upload_id).state.value for upload_id in uploads)
    assert states == ["duplicate"] * 3 + ["sealed"]
    assert {upload_of(upload_id).exhibit_id for upload_id in uploads} == {only_exhibit().id}
    assert list(memory.originals()) == [sha256(CONTENT)]
    assert list(memory.staged()) == []


def test_the_sweep_leaves_alone_what_another_may_still_be_sealing(
    app: Flask, memory: MemoryStore, arrived: Callable[..., UUID], clock: SteppingClock
) -> None:
    upload_id = arrived()
    clock.step(seconds=sweeping.LOST_AFTER.total_seconds() - 1)
    assert sweeping.sweep() == 0
    assert upload_of(upload_id).state is UploadState.SEALING
    assert list(memory.staged()) == [upload_id]


def test_the_sweep_does_not_wait_for_a_clock_that_was_set_back(
    app: Flask, memory: MemoryStore, arrived: Callable[..., UUID], clock: SteppingClock
) -> None:
    upload_id = arrived()
    troubles.note("seal", upload_id, StorageUnavailable("away"))
    clock.step(hours=-1)
    assert sweeping.sweep() == 1
    work_off(app)
    assert upload_of(upload_id).state is UploadState.SEALED


@pytest.mark.parametrize("fault", BOTH)
def test_an_expired_upload_whose_bytes_could_not_be_removed_does_not_stop_the_sweep(
    app: Flask, memory: MemoryStore, dock: Actor, clock: SteppingClock, fault: Fault
) -> None:
    asked = receiving.new(dock, length=9, claims=Claims(), metadata_raw="", largest=9)
    with unit_of_work() as session:
        session.add(asked)
    memory.create(asked.id, 9)
    clock.step(days=8)
    with ordered(memory, "remove", fault):
        sweeping.sweep()
    assert upload_of(asked.id).state is UploadState.EXPIRED
    sweeping.sweep()
    assert list(memory.staged()) == []
