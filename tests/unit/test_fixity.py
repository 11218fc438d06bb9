"""Originals are read again: what is found is written down, and an altered one is set aside."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from uuid import UUID

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.reading import RecordedEvent, events_of
from evidence.digests import SEGMENT_BYTES
from evidence.errors import OriginalMissing, StorageUnavailable
from evidence.exhibits import fixity
from evidence.exhibits.contradictions import look_into
from evidence.exhibits.fixity import Sealed
from evidence.exhibits.models import Exhibit, ExhibitState, Fixity
from evidence.storage.memory import MemoryStore
from tests.conftest import SteppingClock
from tests.unit.receiving import Receiving

LONG = bytes(range(256)) * (SEGMENT_BYTES // 128 + 7)  # two whole segments and a bit


class Failing(MemoryStore):
    """Lies or refuses, as often as it is told."""

    wrong = 0
    refusing = False

    def read_again(self, sha256: str) -> Iterator[bytes]:
        if self.refusing:
            raise StorageUnavailable("The medium refuses.")
        if self.wrong:
            self.wrong -= 1
            return iter([b"something else"])
        return super().read_again(sha256)


@pytest.fixture
def store() -> Failing:
    return Failing()


@pytest.fixture
def receiving(session: Session, store: Failing, clock: SteppingClock) -> Receiving:
    return Receiving(session, store, clock)


def sealed(receiving: Receiving, content: bytes = LONG) -> Sealed:
    exhibit = receiving.seal(receiving.upload(content))
    receiving.session.commit()
    return fixity.sealed(receiving.session, exhibit)


def check(session: Session, store: Failing, original: Sealed) -> Exhibit:
    fixity.record(session, store, original, fixity.read_again(store, original))
    session.commit()
    return session.get_one(Exhibit, original.exhibit_id)


def events(session: Session, exhibit_id: UUID) -> list[RecordedEvent]:
    return events_of(session, [exhibit_id])


def kinds(session: Session, exhibit_id: UUID) -> list[str]:
    return [event.kind for event in events(session, exhibit_id)][2:]


def test_what_is_as_it_was_is_intact_and_makes_no_event(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    exhibit = check(session, store, original)
    assert exhibit.fixity is Fixity.INTACT
    assert exhibit.last_read_at is not None
    assert clock.now() - exhibit.last_read_at < dt.timedelta(minutes=1)
    assert kinds(session, exhibit.id) == []


@pytest.mark.parametrize(
    ("changed", "segments"),
    [
        (b"X" + LONG[1:], [0]),
        (LONG[:SEGMENT_BYTES] + b"X" + LONG[SEGMENT_BYTES + 1 :], [1]),
        (LONG[:-1], [2]),
        (LONG[:SEGMENT_BYTES], [1, 2]),
        (b"", [0, 1, 2]),
        (LONG + b"X", []),
    ],
)
def test_what_was_altered_is_set_aside_with_an_event_that_says_where(
    receiving: Receiving, session: Session, store: Failing, changed: bytes, segments: list[int]
) -> None:
    original = sealed(receiving)
    store._originals[original.sha256] = changed
    exhibit = check(session, store, original)
    assert (exhibit.fixity, exhibit.state) == (Fixity.ALTERED, ExhibitState.QUARANTINED)
    (event,) = events(session, exhibit.id)[2:]
    assert event.kind == "exhibit:altered"
    assert event.details["segments"] == segments
    assert event.details["size_found"] == len(changed)
    assert b"".join(store.read_quarantined(exhibit.id)) == changed
    with pytest.raises(OriginalMissing):
        store.size(original.sha256)


def test_an_alteration_that_was_written_down_is_no_contradiction_and_hiding_it_is_one(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store._originals[original.sha256] = b"other"
    exhibit = check(session, store, original)
    told = events(session, exhibit.id)
    assert look_into(session, store, exhibit, told) == []
    exhibit.fixity, exhibit.state = Fixity.INTACT, ExhibitState.SEALED
    found = {c.member.value for c in look_into(session, store, exhibit, told)}
    assert found == {"state", "fixity"}


def test_the_same_bytes_may_be_brought_in_anew(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store._originals[original.sha256] = b"other"
    lost = check(session, store, original)
    again = receiving.seal(receiving.upload(LONG))
    assert again.id != lost.id
    assert check(session, store, fixity.sealed(session, again)).fixity is Fixity.INTACT


def test_one_wrong_reading_is_read_again_before_anything_is_said(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store.wrong = 1
    assert check(session, store, original).fixity is Fixity.INTACT


def test_what_cannot_be_read_stays_where_it_is_and_is_told_once(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store.refusing = True
    for _ in range(2):
        exhibit = check(session, store, original)
    assert (exhibit.fixity, exhibit.state) == (Fixity.UNREADABLE, ExhibitState.SEALED)
    assert kinds(session, exhibit.id) == ["exhibit:unreadable"]
    store.refusing = False
    assert check(session, store, original).fixity is Fixity.INTACT
    assert kinds(session, exhibit.id) == ["exhibit:unreadable", "exhibit:readable_again"]


def test_an_original_that_is_gone_is_unreadable(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    del store._originals[original.sha256]
    assert check(session, store, original).fixity is Fixity.UNREADABLE


def test_a_store_that_is_away_says_nothing_of_an_original(
    receiving: Receiving, session: Session, store: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = sealed(receiving)

    def away() -> None:
        raise StorageUnavailable

    store.refusing = True
    monkeypatch.setattr(store, "check", away)
    with pytest.raises(StorageUnavailable):
        fixity.read_again(store, original)


def test_a_crash_after_setting_aside_is_finished_by_the_next_check(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store._originals[original.sha256] = b"other"
    fixity.record(session, store, original, fixity.read_again(store, original))
    session.rollback()
    assert session.get_one(Exhibit, original.exhibit_id).state is ExhibitState.SEALED
    assert check(session, store, original).state is ExhibitState.QUARANTINED
    assert kinds(session, original.exhibit_id) == ["exhibit:altered"]


def test_the_oldest_reading_comes_first_and_a_period_holds_them_all(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    originals = [sealed(receiving, bytes([n])) for n in range(3)]
    assert fixity.oldest(session) is None
    receiving.clock.step(hours=1)
    seen = []
    for _ in range(4):
        turn = fixity.oldest(session)
        assert turn is not None
        seen.append(turn.sha256)
        receiving.clock.now += dt.timedelta(hours=1)
        check(session, store, turn)
    assert seen == [o.sha256 for o in originals] + [originals[0].sha256]
    assert fixity.interval(session, dt.timedelta(days=90)) == dt.timedelta(days=30)


def test_its_pace_is_told_of_every_byte(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    read: list[int] = []
    fixity.read_again(store, sealed(receiving), read.append)
    assert sum(read) == len(LONG)
    assert max(read) <= 1024 * 1024


def test_nothing_sealed_is_nothing_to_do(session: Session) -> None:
    assert fixity.oldest(session) is None
    assert fixity.interval(session, dt.timedelta(days=1)) == dt.timedelta(days=1)


def test_an_exhibit_in_quarantine_is_left_alone(
    receiving: Receiving, session: Session, store: Failing
) -> None:
    original = sealed(receiving)
    store._originals[original.sha256] = b"other"
    found = fixity.read_again(store, original)
    fixity.record(session, store, original, found)
    fixity.record(session, store, original, found)
    session.commit()
    assert kinds(session, original.exhibit_id) == ["exhibit:altered"]
    assert session.scalar(select(Exhibit.fixity)) is Fixity.ALTERED
