"""The check-out ledger: who had which recorder when, without gaps of meaning."""

from __future__ import annotations

import datetime as dt
import json
import threading
from uuid import uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody.models import CustodyEvent
from evidence.errors import (
    AccessDenied,
    AlreadyCheckedOut,
    CheckoutOverlaps,
    Conflict,
    IdentifierReused,
    InvalidInput,
    NaiveTime,
    NotCheckedOut,
)
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Officer, OfficerStatus, Unit, UnitKind
from evidence.recorders import ledger
from evidence.recorders.models import Checkout, Recorder, RecorderStatus
from evidence.sqlite import begin_write
from tests.conftest import SteppingClock

HOUR = dt.timedelta(hours=1)


class Cabinet:
    """A unit with one recorder, HD-012, and two officers who share it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.unit = Unit(name="城关所", kind=UnitKind.INSPECTION)
        session.add(self.unit)
        session.flush()
        self.first, self.second = (
            Officer(name=name, badge=badge, unit_id=self.unit.id)
            for name, badge in (("张三", "4304001"), ("李四", "4304002"))
        )
        session.add_all([self.first, self.second])
        session.flush()
        self.by = self.actor(Role.OFFICER)
        self.recorder = ledger.register(
            session, "HD-012", self.unit, self.actor(Role.ADMINISTRATOR)
        )

    def actor(self, role: Role, unit: Unit | None = None) -> Actor:
        return Actor(
            type=ActorType.OFFICER,
            id=uuid4(),
            via=Via.CONSOLE,
            name="王",
            roles=frozenset({role}),
            unit_id=(unit or self.unit).id,
        )

    def out(self, officer: Officer, at: dt.datetime) -> Checkout:
        return ledger.check_out(self.session, self.recorder, officer, self.by, at=at)

    def back(self, at: dt.datetime) -> Checkout:
        return ledger.check_in(self.session, self.recorder, self.by, at=at)

    def wearer(self, at: dt.datetime) -> str | None:
        found = ledger.wearer_at(self.session, self.recorder.id, at)
        return self.session.get_one(Officer, found.officer_id).name if found else None


@pytest.fixture
def cabinet(session: Session, clock: SteppingClock) -> Cabinet:
    return Cabinet(session)


def test_the_wearer_is_whoever_had_it_at_that_moment(
    cabinet: Cabinet, clock: SteppingClock
) -> None:
    begin = clock.now - 10 * HOUR
    cabinet.out(cabinet.first, begin)
    cabinet.back(begin + 4 * HOUR)
    cabinet.out(cabinet.second, begin + 5 * HOUR)
    moments = (-0.1, 0, 3.9, 4, 4.5, 5, 100)
    assert [cabinet.wearer(begin + h * HOUR) for h in moments] == [
        None, "张三", "张三", None, None, "李四", "李四",
    ]  # fmt: skip


def test_one_recorder_has_one_wearer_at_a_time(cabinet: Cabinet, clock: SteppingClock) -> None:
    cabinet.out(cabinet.first, clock.now - HOUR)
    with pytest.raises(AlreadyCheckedOut):
        cabinet.out(cabinet.second, clock.now)
    cabinet.back(clock.now)
    with pytest.raises(CheckoutOverlaps):
        cabinet.out(cabinet.second, clock.now - HOUR / 2)


def test_what_is_not_out_cannot_come_back_nor_before_it_went(
    cabinet: Cabinet, clock: SteppingClock
) -> None:
    with pytest.raises(NotCheckedOut):
        cabinet.back(clock.now)
    cabinet.out(cabinet.first, clock.now)
    with pytest.raises(InvalidInput):
        cabinet.back(clock.now - HOUR)


def test_a_checkout_sent_twice_is_one(cabinet: Cabinet, clock: SteppingClock) -> None:
    identifier, at = uuid4(), clock.now - HOUR

    def send(officer: Officer, when: dt.datetime = at) -> Checkout:
        return ledger.check_out(
            cabinet.session, cabinet.recorder, officer, cabinet.by, at=when, checkout_id=identifier
        )

    first = send(cabinet.first)
    assert send(cabinet.first) is first
    cabinet.back(clock.now)
    assert send(cabinet.first) is first
    for officer, when in ((cabinet.second, at), (cabinet.first, at + HOUR / 2)):
        with pytest.raises(IdentifierReused):
            send(officer, when)


def test_times_are_aware_and_not_in_the_future(cabinet: Cabinet, clock: SteppingClock) -> None:
    with pytest.raises(NaiveTime):
        cabinet.out(cabinet.first, dt.datetime(2023, 9, 15, 8))
    with pytest.raises(InvalidInput):
        cabinet.out(cabinet.first, clock.now + HOUR)


def test_only_the_own_unit_hands_its_recorders_out(cabinet: Cabinet, clock: SteppingClock) -> None:
    other = Unit(name="价监股", kind=UnitKind.BOTH)
    cabinet.session.add(other)
    cabinet.session.flush()
    for by in (cabinet.actor(Role.OFFICER, other), cabinet.actor(Role.SUPERVISOR)):
        with pytest.raises(AccessDenied):
            ledger.check_out(cabinet.session, cabinet.recorder, cabinet.first, by)


def test_what_is_lost_or_who_has_left_goes_nowhere(cabinet: Cabinet, clock: SteppingClock) -> None:
    cabinet.first.status = OfficerStatus.LEFT
    with pytest.raises(InvalidInput):
        cabinet.out(cabinet.first, clock.now)
    cabinet.recorder.status = next(s for s in RecorderStatus if s is not RecorderStatus.IN_USE)
    cabinet.session.flush()
    with pytest.raises(Conflict):
        cabinet.out(cabinet.second, clock.now)


def test_a_number_is_registered_once_however_it_is_written(
    cabinet: Cabinet, session: Session
) -> None:
    with pytest.raises(Conflict):
        ledger.register(session, "hd 012", cabinet.unit, cabinet.actor(Role.ADMINISTRATOR))
    found = ledger.find_by_number(session, "HD012")
    assert isinstance(found, Recorder)
    assert found.id == cabinet.recorder.id


def test_of_two_who_hand_it_out_at_once_one_does(
    cabinet: Cabinet, sessions: sessionmaker[Session]
) -> None:
    cabinet.session.commit()
    ready = threading.Barrier(2)
    ended: list[str] = []

    def hand_out(officer: Officer) -> None:
        with sessions() as session:
            recorder = session.get_one(Recorder, cabinet.recorder.id)
            session.rollback()
            ready.wait()
            begin_write(session)
            try:
                ledger.check_out(session, recorder, officer, cabinet.by)
                session.commit()
                ended.append("out")
            except AlreadyCheckedOut as refused:
                ended.append(refused.code)

    threads = [
        threading.Thread(target=hand_out, args=(officer,))
        for officer in (cabinet.first, cabinet.second)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["already_checked_out", "out"]


def test_what_the_ledger_says_stands_in_the_log(cabinet: Cabinet, clock: SteppingClock) -> None:
    checkout = cabinet.out(cabinet.first, clock.now - HOUR)
    cabinet.back(clock.now)
    found = cabinet.session.scalars(
        select(CustodyEvent)
        .where(CustodyEvent.subject_id == cabinet.recorder.id)
        .order_by(CustodyEvent.position)
    ).all()
    assert [event.kind for event in found] == [
        "recorder:registered", "recorder:checked_out", "recorder:checked_in",
    ]  # fmt: skip
    for event, at in zip(found[1:], ("01:00", "02:00"), strict=True):
        said = json.loads(event.canonical)["details"]
        assert (said["checkout"], said["officer"]) == (str(checkout.id), str(cabinet.first.id))
        assert said["at"] == f"2023-09-15T{at}:00.000000Z"
