"""A recorder that moves, is repaired or retired; its recordings stay where they were made."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.clock import SHANGHAI
from evidence.custody.models import CustodyEvent
from evidence.errors import AccessDenied, AlreadyCheckedOut, Conflict, InvalidInput
from evidence.people.actor import Actor, ActorType, Role, Via
from evidence.people.models import Officer, Unit, UnitKind
from evidence.recorders import books as books_of
from evidence.recorders import changing, ledger
from evidence.recorders.models import Recorder, RecorderStatus
from evidence.storage.memory import MemoryStore
from tests.conftest import SteppingClock
from tests.unit.receiving import Receiving

DAY = dt.timedelta(days=1)


def _actor(role: Role, unit: Unit | None = None) -> Actor:
    return Actor(
        type=ActorType.OFFICER,
        id=uuid4(),
        via=Via.CONSOLE,
        name="王",
        roles=frozenset({role}),
        unit_id=unit.id if unit else None,
    )


ADMINISTRATOR = _actor(Role.ADMINISTRATOR)


class Books:
    """Two units, and HD-012, which the first has."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.first, self.second = (
            Unit(name=name, kind=UnitKind.INSPECTION) for name in ("城关所", "价监股")
        )
        session.add_all([self.first, self.second])
        session.flush()
        self.officer = Officer(name="张三", badge="4304001", unit_id=self.first.id)
        session.add(self.officer)
        session.flush()
        self.recorder = ledger.register(session, "HD-012", self.first, ADMINISTRATOR, model="A7")

    def change(self, **said: Any) -> Recorder:
        return changing.change(self.session, self.recorder, ADMINISTRATOR, said)

    def hand_out(self) -> None:
        ledger.check_out(
            self.session, self.recorder, self.officer, _actor(Role.OFFICER, self.first)
        )

    def told(self) -> list[dict[str, Any]]:
        events = self.session.scalars(
            select(CustodyEvent)
            .where(CustodyEvent.kind == "recorder:changed")
            .order_by(CustodyEvent.position)
        )
        return [json.loads(event.canonical)["details"] for event in events]


@pytest.fixture
def books(session: Session, clock: SteppingClock) -> Books:
    return Books(session)


def test_every_change_is_an_event_that_says_how_it_is_from_then_on(books: Books) -> None:
    books.change(unit_id=books.second.id, serial=" 0042 ")
    books.change(status=RecorderStatus.REPAIR)
    books.change(status=RecorderStatus.REPAIR, serial="0042", model="A7 ")
    as_moved = {
        "number": "HD-012",
        "unit": str(books.second.id),
        "unit_before": str(books.first.id),
        "status": "in_use",
        "status_before": "in_use",
        "model": "A7",
        "serial": "0042",
    }
    as_broken = {**as_moved, "unit_before": str(books.second.id), "status": "repair"}
    assert books.told() == [as_moved, as_broken]
    assert books.recorder.unit.name == "价监股"


def test_what_was_entered_with_spaces_is_not_changed_by_nothing(books: Books) -> None:
    recorder = ledger.register(
        books.session, " HD-014 ", books.first, ADMINISTRATOR, model=" A7 ", serial="  "
    )
    assert (recorder.number, recorder.model, recorder.serial) == ("HD-014", "A7", None)
    changing.change(books.session, recorder, ADMINISTRATOR, {})
    assert books.told() == []


def test_what_is_out_comes_back_before_it_moves(books: Books) -> None:
    books.hand_out()
    for said in ({"unit_id": books.second.id}, {"status": RecorderStatus.RETIRED}):
        with pytest.raises(AlreadyCheckedOut):
            books.change(**said)
        books.session.expire(books.recorder)
    books.change(model="A8")
    assert [told["model"] for told in books.told()] == ["A8"]


def test_what_is_repaired_goes_to_nobody(books: Books) -> None:
    books.change(status=RecorderStatus.REPAIR)
    with pytest.raises(Conflict):
        books.hand_out()
    books.change(status=RecorderStatus.IN_USE)
    books.hand_out()


def test_only_who_keeps_the_books_changes_a_recorder(books: Books) -> None:
    for role in Role:
        if role is not Role.ADMINISTRATOR:
            with pytest.raises(AccessDenied):
                changing.change(
                    books.session, books.recorder, _actor(role, books.first), {"model": "A8"}
                )
    assert books.told() == []


def test_a_unit_had_it_from_its_entry_until_the_next(books: Books, clock: SteppingClock) -> None:
    entered = clock.now
    for unit in (books.second, books.first):
        clock.step(days=10)
        books.change(unit_id=unit.id)
    had = [books_of.unit_at(books.session, books.recorder, entered + n * DAY) for n in (-1, 0, 9)]
    assert set(had) == {books.first.id}
    had = [books_of.unit_at(books.session, books.recorder, entered + n * DAY) for n in (10, 19)]
    assert set(had) == {books.second.id}
    assert books_of.unit_at(books.session, books.recorder, entered + 30 * DAY) == books.first.id


def test_a_recorder_whose_first_event_is_a_move_was_the_earlier_units(
    books: Books, clock: SteppingClock
) -> None:
    silent = Recorder(number="HD-013", key="HD013", unit_id=books.first.id)
    books.session.add(silent)
    books.session.flush()
    clock.step(days=1)
    changing.change(books.session, silent, ADMINISTRATOR, {"unit_id": books.second.id})
    moved = clock.now
    assert books_of.unit_at(books.session, silent, moved - DAY) == books.first.id
    assert books_of.unit_at(books.session, silent, moved + DAY) == books.second.id


def test_nothing_is_handed_out_before_the_unit_had_it_or_while_it_was_repaired(
    books: Books, clock: SteppingClock
) -> None:
    """Whoever is given a used recorder could give themselves what its card still holds."""
    entered = clock.now

    def hand_out_at(at: dt.datetime) -> None:
        by = _actor(Role.OFFICER, books.recorder.unit)
        ledger.check_out(books.session, books.recorder, books.officer, by, at=at)

    clock.step(days=5)
    books.change(unit_id=books.second.id)
    moved = clock.now
    clock.step(days=5)
    books.change(model="A8")
    for at in (entered + DAY, moved - dt.timedelta(seconds=1)):
        with pytest.raises(InvalidInput):
            hand_out_at(at)
    hand_out_at(moved + DAY)
    ledger.check_in(books.session, books.recorder, _actor(Role.OFFICER, books.second))
    books.change(status=RecorderStatus.REPAIR)
    clock.step(days=5)
    books.change(status=RecorderStatus.IN_USE)
    with pytest.raises(InvalidInput):
        hand_out_at(clock.now - DAY)
    clock.step(hours=1)
    hand_out_at(clock.now)


def test_a_recorder_of_which_no_event_speaks_is_where_it_is(books: Books) -> None:
    silent = Recorder(number="HD-013", key="HD013", unit_id=books.second.id)
    books.session.add(silent)
    books.session.flush()
    assert books_of.unit_at(books.session, silent, dt.datetime.now(dt.UTC)) == books.second.id


def test_what_was_recorded_before_a_move_is_the_earlier_units_when_it_is_docked(
    books: Books, store: MemoryStore, clock: SteppingClock
) -> None:
    receiving = Receiving(books.session, store, clock)

    def units_of(name: str, **claims: str) -> UUID | None:
        upload = receiving.upload(name.encode(), filename=name, recorder_claim="HD-012", **claims)
        return receiving.seal(upload).unit_id

    before = clock.now.astimezone(SHANGHAI).isoformat()
    clock.step(days=1)
    books.change(unit_id=books.second.id)
    clock.step(hours=1)
    after = clock.now.astimezone(SHANGHAI).isoformat()
    assert units_of("a.mp4", recorded_at_claim=before) == books.first.id
    assert units_of("b.mp4", recorded_at_claim=after) == books.second.id
    assert units_of("c.mp4") == books.second.id
