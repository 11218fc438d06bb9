"""A recorder that was entered late is given what came from it before, and no more than that."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session, sessionmaker

from evidence.base import Base
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.custody.reading import events_of
from evidence.errors import AccessDenied
from evidence.exhibits.attributing import attribute, came_before
from evidence.exhibits.contradictions import Member, look_into
from evidence.exhibits.flags import Flag
from evidence.exhibits.models import Exhibit
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Officer, Unit, UnitKind
from evidence.recorders import ledger
from evidence.recorders.models import Checkout, Recorder
from evidence.sqlite import prepare
from evidence.storage.memory import MemoryStore
from tests.conftest import SteppingClock
from tests.postgresql import new_postgresql
from tests.unit.receiving import Receiving

__all__ = ["new_postgresql"]

ADMINISTRATOR = Actor(
    type=ActorType.SYSTEM,
    id=uuid4(),
    via=Via.CONSOLE,
    name="administrator",
    roles=frozenset({Role.ADMINISTRATOR}),
)


@pytest.fixture
def receiving(session: Session, store: MemoryStore, clock: SteppingClock) -> Receiving:
    return Receiving(session, store, clock)


@pytest.fixture
def units(session: Session) -> dict[str, Unit]:
    made = {name: Unit(name=name, kind=UnitKind.INSPECTION) for name in ("城关所", "价监股")}
    session.add_all(made.values())
    session.flush()
    return made


def _entered(receiving: Receiving, unit: Unit, number: str = "HD-070") -> tuple[Recorder, int]:
    recorder = ledger.register(receiving.session, number, unit, ADMINISTRATOR)
    return recorder, _attributed(receiving.session, recorder)


def _attributed(session: Session, recorder: Recorder, by: Actor = ADMINISTRATOR) -> int:
    return attribute(session, recorder, came_before(session, recorder), by)


def _told(session: Session, exhibit: Exhibit) -> list[dict[str, Any]]:
    query = select(CustodyEvent).where(
        CustodyEvent.subject_id == exhibit.id, CustodyEvent.kind == "exhibit:attributed"
    )
    return [json.loads(event.canonical) for event in session.scalars(query)]


def _faults(receiving: Receiving, exhibit: Exhibit) -> list[Member]:
    events = events_of(receiving.session, [exhibit.id])
    return [c.member for c in look_into(receiving.session, receiving.store, exhibit, events)]


@pytest.mark.parametrize(
    "claims",
    [
        {"recorder_claim": "HD-070", "filename": "a.mp4"},
        {"recorder_claim": " hd 070 ", "filename": "a.mp4"},
        {"filename": "BWC_HD070@A0001_20230915_093000_001.mp4"},
    ],
)
def test_what_names_the_recorder_is_given_to_it_and_its_unit(
    receiving: Receiving, units: dict[str, Unit], claims: dict[str, str]
) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", **claims))
    other = receiving.seal(receiving.upload(b"abd", recorder_claim="HD-071"))
    assert exhibit.unit_id is None
    recorder, count = _entered(receiving, units["城关所"])
    assert count == 1
    assert (exhibit.recorder_id, exhibit.unit_id) == (recorder.id, units["城关所"].id)
    assert Flag.RECORDER_UNKNOWN not in exhibit.flags
    assert Flag.WEARER_UNKNOWN in exhibit.flags
    assert exhibit.recorder_claim == claims.get("recorder_claim", "")
    (said,) = _told(receiving.session, exhibit)
    assert said["actor"]["id"] == str(ADMINISTRATOR.id)
    assert said["details"] == {
        "number": "HD-070",
        "recorder": str(recorder.id),
        "wearer": None,
        "unit": str(units["城关所"].id),
        "flags": exhibit.flags,
    }
    assert other.recorder_id is None
    assert _told(receiving.session, other) == []
    assert _faults(receiving, exhibit) == _faults(receiving, other) == []
    assert _attributed(receiving.session, recorder) == 0


def test_the_wearer_is_the_ledgers(receiving: Receiving, units: dict[str, Unit]) -> None:
    at = receiving.clock.now - dt.timedelta(hours=2)
    exhibit = receiving.seal(
        receiving.upload(b"abc", recorder_claim="HD-070", recorded_at_claim=at.isoformat())
    )
    session, unit = receiving.session, units["价监股"]
    recorder = ledger.register(session, "HD-070", units["城关所"], ADMINISTRATOR)
    officer = Officer(name="张三", badge="4304001", unit_id=unit.id)
    session.add(officer)
    session.flush()
    ledger.check_out(session, recorder, officer, ADMINISTRATOR, at=at - dt.timedelta(hours=1))
    assert _attributed(session, recorder) == 1
    assert session.scalar(select(Checkout.officer_id)) == officer.id
    assert (exhibit.officer_id, exhibit.unit_id) == (officer.id, unit.id)
    assert Flag.WEARER_UNKNOWN not in exhibit.flags
    assert _faults(receiving, exhibit) == []


def test_a_unit_that_has_a_recording_keeps_it(receiving: Receiving, units: dict[str, Unit]) -> None:
    exhibit = receiving.seal(
        receiving.upload(b"abc", recorder_claim="HD-070", unit_id=units["价监股"].id)
    )
    assert exhibit.unit_id == units["价监股"].id
    recorder, count = _entered(receiving, units["城关所"])
    assert (count, exhibit.recorder_id) == (1, recorder.id)
    assert exhibit.unit_id == units["价监股"].id
    assert _faults(receiving, exhibit) == []


def test_footage_that_an_officer_of_another_unit_sent_is_flagged_now(
    receiving: Receiving, units: dict[str, Unit]
) -> None:
    upload = receiving.upload(b"abc", recorder_claim="HD-070", unit_id=units["价监股"].id)
    upload.actor_type = "officer"
    exhibit = receiving.seal(upload)
    assert Flag.SENT_FROM_ELSEWHERE not in exhibit.flags
    _entered(receiving, units["城关所"])
    assert Flag.SENT_FROM_ELSEWHERE in exhibit.flags
    assert _faults(receiving, exhibit) == []


def test_the_same_bytes_of_two_unknown_recorders_are_claimed_differently(
    receiving: Receiving,
) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", recorder_claim="HD-070"))
    receiving.seal(receiving.upload(b"abc", recorder_claim="hd070"))
    assert Flag.CLAIMS_DIFFER not in exhibit.flags
    receiving.seal(receiving.upload(b"abc", recorder_claim="HD-071"))
    assert Flag.CLAIMS_DIFFER in exhibit.flags


def test_one_name_twice_is_seen_now_and_doubts_found_later_stay(
    receiving: Receiving, units: dict[str, Unit]
) -> None:
    first, second = (
        receiving.seal(receiving.upload(c, recorder_claim="HD-070", filename="0001.mp4"))
        for c in (b"abc", b"abd")
    )
    first.flags = sorted({*first.flags, Flag.CONTENT_MISMATCH.value})
    assert _entered(receiving, units["城关所"])[1] == 2
    assert Flag.NAME_COLLISION not in first.flags
    assert Flag.NAME_COLLISION in second.flags
    assert Flag.CONTENT_MISMATCH in first.flags
    assert _faults(receiving, first) == _faults(receiving, second) == []


@pytest.mark.parametrize(
    ("member", "change"),
    [
        (Member.UNIT, {"unit_id": None}),
        (Member.RECORDER, {"recorder_id": None}),
        (Member.FLAGS, {"flags": []}),
        (Member.WEARER, {"officer_id": UUID(int=9)}),
    ],
)
def test_a_row_that_is_changed_afterwards_contradicts(
    receiving: Receiving, units: dict[str, Unit], member: Member, change: dict[str, Any]
) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", recorder_claim="HD-070"))
    _entered(receiving, units["城关所"])
    with receiving.session.no_autoflush:
        for name, value in change.items():
            setattr(exhibit, name, value)
        assert _faults(receiving, exhibit) == [member]


@pytest.mark.parametrize(
    "forged",
    [
        {"number": "HD-099"},
        {"unit": "another"},
        {"flags": []},
        {},  # all as it may be, but that the recorder was known
    ],
)
def test_an_event_that_settles_what_was_not_open_is_a_contradiction(
    receiving: Receiving, units: dict[str, Unit], forged: dict[str, Any]
) -> None:
    if not forged:
        _entered(receiving, units["城关所"])
    exhibit = receiving.seal(
        receiving.upload(
            b"abc", recorder_claim="HD-070", unit_id=units["城关所"].id, sha256_claim=None
        )
    )
    other = Recorder(number="HD-071", key="HD071", unit_id=units["价监股"].id)
    receiving.session.add(other)
    receiving.session.flush()
    # By whoever holds the database: row and event say the same.
    said = {
        "number": "HD-070",
        "recorder": str(other.id),
        "wearer": None,
        "unit": str(exhibit.unit_id),
        "flags": exhibit.flags,
    } | forged
    if said["unit"] == "another":
        said["unit"] = str(units["价监股"].id)
    append(receiving.session, Kind.EXHIBIT_ATTRIBUTED, exhibit.id, ADMINISTRATOR, **said)
    exhibit.recorder_id, exhibit.unit_id = other.id, UUID(said["unit"])
    exhibit.flags = said["flags"]
    receiving.session.flush()
    assert Member.HISTORY in _faults(receiving, exhibit)


def test_nobody_else_gives_recordings_away(receiving: Receiving, units: dict[str, Unit]) -> None:
    exhibit = receiving.seal(receiving.upload(b"abc", recorder_claim="HD-070"))
    recorder = ledger.register(receiving.session, "HD-070", units["城关所"], ADMINISTRATOR)
    for role in set(Role) - {Role.ADMINISTRATOR}:
        by = Actor(
            type=ActorType.OFFICER,
            id=uuid4(),
            via=Via.API,
            name="x",
            roles=frozenset({role}),
            unit_id=units["城关所"].id,
        )
        with pytest.raises(AccessDenied):
            _attributed(receiving.session, recorder, by)
    assert exhibit.recorder_id is None


@pytest.mark.parametrize("first", ["sealed", "entered"])
def test_one_that_is_sealed_while_its_recorder_is_entered_is_given_to_it(
    new_postgresql: Callable[[], str], store: MemoryStore, clock: SteppingClock, first: str
) -> None:
    engine = prepare(create_engine(new_postgresql()))
    Base.metadata.create_all(engine)
    sessions = sessionmaker(engine, expire_on_commit=False)
    with sessions() as session:
        unit = Unit(name="城关所", kind=UnitKind.INSPECTION)
        session.add(unit)
        session.commit()
    with sessions() as one, sessions() as other, ThreadPoolExecutor(1) as beside:
        receiving, books = Receiving(one, store, clock), Receiving(other, store, clock)
        upload = receiving.upload(b"abc", recorder_claim="HD-070")

        def seal() -> None:
            receiving.seal(upload)

        def enter() -> None:
            _entered(books, unit)

        begin, follow = (seal, enter) if first == "sealed" else (enter, seal)
        begin()
        following = beside.submit(follow)
        assert not wait_for([following], 0.5).done  # it waits for its turn
        (one if first == "sealed" else other).commit()
        following.result(30)
        (other if first == "sealed" else one).commit()
    with sessions() as session:
        exhibit = session.scalars(select(Exhibit)).one()
        recorder = session.scalars(select(Recorder)).one()
        assert (exhibit.recorder_id, exhibit.unit_id) == (recorder.id, unit.id)
        assert len(_told(session, exhibit)) == (first == "sealed")
    engine.dispose()
