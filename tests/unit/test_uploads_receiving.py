"""What may happen to an upload, and when."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.models import CustodyEvent
from evidence.errors import (
    AccessDenied,
    IdentifierReused,
    InvalidInput,
    NotFound,
    UploadComplete,
    UploadGone,
    UploadSealed,
    UploadTooLarge,
)
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.storage.memory import MemoryStore
from evidence.uploads import receiving
from evidence.uploads.headers import Claims
from evidence.uploads.models import Upload, UploadPart, UploadState
from tests.conftest import SteppingClock

GIB = 1024**3


def person(role: Role, name: str = "张") -> Actor:
    return Actor(
        type=ActorType.OFFICER, id=uuid4(), via=Via.API, name=name, roles=frozenset({role})
    )


OFFICER = person(Role.OFFICER)


def opened(
    session: Session,
    store: MemoryStore,
    content: bytes = b"",
    *,
    length: int | None = 5,
    by: Actor = OFFICER,
    part: UploadPart = UploadPart.WHOLE,
    event_id: UUID | None = None,
) -> Upload:
    """An upload with its row and `content` in staging."""
    upload = receiving.new(
        by,
        length=length,
        claims=Claims(filename="a.mp4", event_id=event_id),
        metadata_raw="",
        part=part,
        largest=GIB,
    )
    store.create(upload.id, length)
    if content:
        with store.writer(upload.id) as writer:
            writer.write(content)
            writer.commit()
    session.add(upload)
    session.commit()
    return upload


def kinds(session: Session) -> list[str]:
    return [str(k) for k in session.scalars(select(CustodyEvent.kind))]


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.LEADER, Role.ADMINISTRATOR, Role.AUDITOR])
def test_who_may_not_upload_creates_nothing(role: Role) -> None:
    with pytest.raises(AccessDenied):
        receiving.new(person(role), length=1, claims=Claims(), metadata_raw="", largest=GIB)


def test_longer_than_the_greatest_is_refused_before_anything_is_reserved() -> None:
    with pytest.raises(UploadTooLarge):
        receiving.new(OFFICER, length=GIB + 1, claims=Claims(), metadata_raw="", largest=GIB)


def test_another_persons_upload_is_not_there(session: Session, store: MemoryStore) -> None:
    upload = opened(session, store)
    assert receiving.find(session, upload.id, OFFICER) is upload
    with pytest.raises(NotFound):
        receiving.find(session, upload.id, person(Role.OFFICER))
    with pytest.raises(AccessDenied):
        receiving.find(session, upload.id, person(Role.ADMINISTRATOR))


def test_a_repeated_creation_is_recognised_by_actor_and_event(
    session: Session, store: MemoryStore
) -> None:
    event_id = uuid4()
    upload = opened(session, store, event_id=event_id)
    again = receiving.new(
        OFFICER, length=5, claims=Claims(event_id=event_id), metadata_raw="", largest=GIB
    )
    assert receiving.same_or_none(session, again) is upload
    again.length = 6
    with pytest.raises(IdentifierReused):
        receiving.same_or_none(session, again)
    theirs = receiving.new(
        person(Role.OFFICER),
        length=5,
        claims=Claims(event_id=event_id),
        metadata_raw="",
        largest=GIB,
    )
    assert receiving.same_or_none(session, theirs) is None


def expired(session: Session, store: MemoryStore) -> list[UUID]:
    """What the sweep ends."""
    found = receiving.overdue(session)
    return receiving.expire(session, found, receiving.offsets(store, found))


def test_time_runs_out_and_is_an_event(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    upload = opened(session, store, b"abc")
    clock.step(days=6, hours=23)
    assert expired(session, store) == []
    receiving.prolong(upload)
    session.commit()
    clock.step(days=6, hours=23)
    assert expired(session, store) == []
    clock.step(hours=2)
    with pytest.raises(UploadGone):
        receiving.require_receiving(upload)
    assert expired(session, store) == [upload.id]
    assert upload.state is UploadState.EXPIRED
    assert kinds(session) == ["upload:expired"]
    assert expired(session, store) == []


def completed(session: Session, store: MemoryStore) -> list[UUID]:
    """What the sweep completes: found without writing, written afterwards."""
    found = receiving.interrupted(session)
    return receiving.complete_interrupted(session, found, receiving.offsets(store, found))


def test_what_has_its_last_byte_is_completed_and_never_expired(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    upload = opened(session, store, b"whole")
    clock.step(seconds=30)
    assert completed(session, store) == []  # its request may be under way
    clock.step(days=30)
    assert expired(session, store) == []
    assert upload.state is UploadState.SEALING
    assert upload.completed_at == clock.now


def test_what_has_its_last_byte_does_not_wait_for_a_clock_that_was_set_back(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    upload = opened(session, store, b"whole")
    clock.step(hours=-1)
    assert completed(session, store) == [upload.id]


def test_what_is_opened_again_while_the_sweep_asks_for_offsets_is_not_completed(
    session: Session, store: MemoryStore, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = opened(session, store, b"whole")
    clock.step(hours=1)

    def offset(upload_id: UUID) -> int:
        monkeypatch.undo()
        receiving.terminate(session, upload, OFFICER, store.offset(upload_id))
        receiving.revive(upload)
        session.flush()
        return len(b"whole")

    monkeypatch.setattr(store, "offset", offset)
    assert completed(session, store) == []
    assert upload.state is UploadState.RECEIVING


def test_what_is_prolonged_while_the_sweep_asks_for_offsets_is_not_ended(
    session: Session, store: MemoryStore, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = opened(session, store, b"abc")
    clock.step(days=8)

    def offset(upload_id: UUID) -> int:
        monkeypatch.undo()
        receiving.prolong(upload)
        session.flush()
        return store.offset(upload_id)

    monkeypatch.setattr(store, "offset", offset)
    assert expired(session, store) == []
    assert upload.state is UploadState.RECEIVING


def test_a_complete_part_waits_for_its_whole_and_expires_alone(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    part = opened(session, store, b"whole", part=UploadPart.PARTIAL)
    assert not receiving.complete(part)
    clock.step(days=8)
    assert expired(session, store) == [part.id]


def test_joined_parts_expire_within_the_hour(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    part = opened(session, store, b"whole", part=UploadPart.PARTIAL)
    receiving.release_parts(session, [part.id])
    session.commit()
    clock.step(minutes=61)
    assert expired(session, store) == [part.id]


def test_an_expired_upload_is_opened_again_by_asking(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    upload = opened(session, store)
    clock.step(days=8)
    expired(session, store)
    assert receiving.may_receive_again(upload)
    receiving.revive(upload)
    receiving.require_receiving(upload)
    assert upload.expires_at == clock.now + receiving.LIFETIME


@pytest.mark.parametrize(
    "state",
    [UploadState.SEALING, UploadState.SEALED, UploadState.DUPLICATE, UploadState.QUARANTINED],
)
def test_from_its_last_byte_on_an_upload_is_nobodys_to_end(
    session: Session, store: MemoryStore, clock: SteppingClock, state: UploadState
) -> None:
    upload = opened(session, store, b"whole")
    upload.state = state
    session.commit()
    assert not receiving.may_receive_again(upload)
    with pytest.raises(UploadSealed):
        receiving.terminate(session, upload, OFFICER, 5)
    with pytest.raises(UploadComplete):
        receiving.require_receiving(upload)
    clock.step(days=400)
    assert expired(session, store) == []
    assert kinds(session) == []


def test_giving_an_upload_up_is_an_event_once(session: Session, store: MemoryStore) -> None:
    upload = opened(session, store, b"abc")
    receiving.terminate(session, upload, OFFICER, 3)
    with pytest.raises(UploadGone):
        receiving.terminate(session, upload, OFFICER, 3)
    with pytest.raises(UploadGone):
        receiving.require_there(upload)
    assert kinds(session) == ["upload:terminated"]


def test_a_final_upload_takes_no_bytes(session: Session, store: MemoryStore) -> None:
    with pytest.raises(AccessDenied):
        receiving.require_receiving(opened(session, store, part=UploadPart.FINAL))


def test_a_deferred_length_is_settled_once(session: Session, store: MemoryStore) -> None:
    upload = opened(session, store, length=None)
    with pytest.raises(InvalidInput):
        receiving.declare_length(upload, 2, 3, GIB)
    with pytest.raises(UploadTooLarge):
        receiving.declare_length(upload, GIB + 1, 3, GIB)
    receiving.declare_length(upload, 8, 3, GIB)
    receiving.declare_length(upload, 8, 3, GIB)
    with pytest.raises(InvalidInput):
        receiving.declare_length(upload, 9, 3, GIB)


def test_only_ones_own_finished_parts_are_joined(session: Session, store: MemoryStore) -> None:
    whole = opened(session, store, b"whole")
    short = opened(session, store, b"abc", part=UploadPart.PARTIAL)
    theirs = opened(session, store, b"whole", part=UploadPart.PARTIAL, by=person(Role.OFFICER))
    good = opened(session, store, b"whole", part=UploadPart.PARTIAL)
    assert receiving.parts_of(session, [good.id, good.id], OFFICER, store) == [good, good]
    for part, error in ((whole, InvalidInput), (short, InvalidInput), (theirs, NotFound)):
        with pytest.raises(error):
            receiving.parts_of(session, [good.id, part.id], OFFICER, store)


def test_who_brought_the_bytes_is_told_and_nobody_else(
    session: Session, store: MemoryStore
) -> None:
    upload = opened(session, store, b"whole")
    upload.sha256_claim = "ab" * 32
    assert receiving.finished_with(session, OFFICER, "AB" * 32) is None
    upload.state = UploadState.SEALED
    session.commit()
    assert receiving.finished_with(session, OFFICER, "AB" * 32) is upload
    assert receiving.finished_with(session, person(Role.OFFICER), "ab" * 32) is None


def test_the_lifetime_is_seven_days(
    session: Session, store: MemoryStore, clock: SteppingClock
) -> None:
    assert opened(session, store).expires_at == clock.now + dt.timedelta(days=7)
