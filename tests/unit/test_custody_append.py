"""Appending: the canonical bytes, what an event may hold, and what the database refuses."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from evidence.custody import append as appending
from evidence.custody.append import append, append_each
from evidence.custody.kinds import DETAILS, Kind, SubjectType
from evidence.custody.models import CustodyEvent
from evidence.errors import EventInvalid, IdentifierReused
from evidence.people.actor import SYSTEM, Actor, ActorType, Via
from evidence.sqlite import begin_write
from tests import databases
from tests.conftest import SteppingClock

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "custody"
HANDLER = Actor(
    type=ActorType.OFFICER,
    id=UUID("6f1c1b1e-8a55-4d2c-9d0f-2f6f4d9a0b11"),
    via=Via.CONSOLE,
    name="张三",
)
CASE = UUID("0d5bb2f0-8a0e-4c1f-9f0e-5e8a4f0b7c22")
EVENT = UUID("7a0a5a52-5a64-4c9e-8f5b-0a6c1e2d3f44")


def test_the_canonical_bytes_are_those_that_were_frozen(
    session: Session, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(appending.os, "urandom", lambda count: bytes(range(count)))
    clock.step(microseconds=7)
    append(
        session,
        Kind.CASE_CHANGED,
        CASE,
        HANDLER,
        event_id=EVENT,
        number="衡东市监罚字〔2023〕451号",
        changed={"ä": [1, None, True, "\u20ac\n\x0f"], "party": ["甲", "乙"], "𝄞": -1, "\ufb33": 0},
    )
    event = session.scalars(select(CustodyEvent)).one()
    assert event.canonical == (GOLDEN / "event_v1.json").read_bytes()
    assert event.entry == hashlib.sha256(event.canonical).digest()


# Characters that an encoder may escape, and names around the surrogates, where orders differ.
_TEXT = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from('\x00\x1f"\\\x7f/€\ufb33𝄞'))
)
_DETAIL = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(_TEXT, _DETAIL, max_size=4))
def test_the_canonical_bytes_are_those_of_rfc_8785(content: dict[str, Any]) -> None:
    assert appending.canonical(content) == rfc8785.dumps(content)


def test_every_kind_has_its_details_and_its_subject() -> None:
    assert set(DETAILS) == set(Kind)
    for kind in Kind:
        noun, verb = kind.split(":")
        assert SubjectType(noun)
        assert verb
        assert len(kind) <= 40


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"number": "1"},
        {"number": "1", "changed": {}, "more": 1},
        {"number": 1.5, "changed": {}},
        {"number": float("nan"), "changed": {}},
        {"number": "\ud800", "changed": {}},
        {"number": "1", "changed": {"a": ["\udfff"]}},
        {"number": "1", "changed": {"\ud800": 1}},
        {"number": "1", "changed": {1: 1}},
        {"number": "1", "changed": (1,)},
        {"number": "1", "changed": b"bytes"},
        {"number": "1", "changed": {"a": object()}},
        {"number": 2**53, "changed": {}},
        {"number": uuid4(), "changed": {}},
    ],
)
def test_details_that_have_no_one_canonical_form_are_refused(
    session: Session, details: dict[str, Any]
) -> None:
    with pytest.raises(EventInvalid):
        append(session, Kind.CASE_CHANGED, CASE, HANDLER, **details)
    assert session.scalars(select(CustodyEvent)).all() == []


def test_a_detail_that_may_be_absent_may_be_there(session: Session) -> None:
    common = {"to": "case", "id": str(CASE), "note": "", "sha256": "0" * 64}
    append(session, Kind.EXHIBIT_LINKED, uuid4(), HANDLER, **common)
    append(session, Kind.EXHIBIT_LINKED, uuid4(), HANDLER, number="1", **common)


def test_the_same_identifier_with_the_same_content_is_one_event(
    session: Session, clock: SteppingClock
) -> None:
    first = append(session, Kind.CASE_VIEWED, CASE, HANDLER, event_id=EVENT, number="1")
    clock.step(hours=1)
    again = append(session, Kind.CASE_VIEWED, CASE, HANDLER, event_id=EVENT, number="1")
    assert again == first == EVENT
    assert len(session.scalars(select(CustodyEvent)).all()) == 1


@pytest.mark.parametrize(
    ("kind", "subject", "by", "number"),
    [
        (Kind.CASE_VIEWED, CASE, HANDLER, "2"),
        (Kind.CASE_VIEWED, uuid4(), HANDLER, "1"),
        (Kind.CASE_VIEWED, CASE, SYSTEM, "1"),
        (Kind.CASE_VIEWED, CASE, HANDLER, 1),
        (Kind.CASE_VIEWED, CASE, HANDLER, True),
    ],
)
def test_the_same_identifier_with_other_content_is_refused(
    session: Session, kind: Kind, subject: UUID, by: Actor, number: Any
) -> None:
    append(session, Kind.CASE_VIEWED, CASE, HANDLER, event_id=EVENT, number="1")
    with pytest.raises(IdentifierReused):
        append(session, kind, subject, by, event_id=EVENT, number=number)


def test_an_act_rolled_back_leaves_no_event(sessions: sessionmaker[Session]) -> None:
    with sessions() as session:
        begin_write(session)
        append(session, Kind.CASE_VIEWED, CASE, HANDLER, number="1")
        append_each(
            session, Kind.CASE_VIEWED, {uuid4(): {"number": n} for n in ("2", "3")}, HANDLER
        )
        session.rollback()
    with sessions() as session:
        assert session.scalars(select(CustodyEvent)).all() == []


def test_two_events_alike_are_told_apart_by_nobody_but_us(session: Session) -> None:
    for _ in range(2):
        append(session, Kind.CASE_VIEWED, CASE, HANDLER, number="1")
    one, two = session.scalars(select(CustodyEvent)).all()
    assert one.entry != two.entry
    salts = {json.loads(e.canonical)["salt"] for e in (one, two)}
    assert len(salts) == 2


_REPLACES = pytest.mark.one_box("only SQLite has statements that replace")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE custody_events SET kind = 'exhibit:viewed'",
        "UPDATE custody_events SET canonical = x'00'",
        "UPDATE custody_events SET at = '2020-01-01 00:00:00'",
        "UPDATE custody_events SET actor_id = subject_id, leaf_index = 9",
        "UPDATE custody_events SET leaf_index = 1 WHERE leaf_index IS NOT NULL",
        "UPDATE custody_events SET leaf_index = NULL",
        pytest.param("UPDATE OR REPLACE custody_events SET leaf_index = 0", marks=_REPLACES),
        "DELETE FROM custody_events",
        pytest.param(
            "INSERT OR REPLACE INTO custody_events SELECT * FROM custody_events", marks=_REPLACES
        ),
        pytest.param(
            "REPLACE INTO custody_events SELECT position + 5, hex(randomblob(16)), at, kind,"
            " subject_type, subject_id, actor_type, actor_id, via, canonical, entry, 0"
            " FROM custody_events",
            marks=_REPLACES,
        ),
    ],
)
def test_the_database_itself_refuses_to_change_or_lose_an_event(
    sessions: sessionmaker[Session], statement: str
) -> None:
    with sessions() as session:
        begin_write(session)
        for number in "12":
            append(session, Kind.CASE_VIEWED, CASE, HANDLER, number=number)
        session.flush()
        session.connection().exec_driver_sql(
            "UPDATE custody_events SET leaf_index = 0 WHERE position = 1"
        )
        session.commit()
        places = select(CustodyEvent.leaf_index).order_by(CustodyEvent.position)
        assert session.scalars(places).all() == [0, None]
    with sessions() as session:
        before = session.connection().exec_driver_sql("SELECT * FROM custody_events").all()
        with pytest.raises(DBAPIError, match="append-only"):
            session.connection().exec_driver_sql(databases.spoken(statement))
        session.rollback()
        assert session.connection().exec_driver_sql("SELECT * FROM custody_events").all() == before


def test_positions_are_in_the_order_of_the_acts(session: Session) -> None:
    begin_write(session)
    # Of one subject in turn with others: each other's turn is taken in between.
    subjects = [uuid4() if n % 3 else CASE for n in range(100)]
    events = [append(session, Kind.CASE_VIEWED, each, HANDLER, number="1") for each in subjects]
    several = {uuid4() if n else CASE: {"number": str(n)} for n in range(100)}
    events += append_each(session, Kind.CASE_VIEWED, several, HANDLER)
    session.commit()
    assert _in_the_log(session) == events


def _in_the_log(session: Session) -> list[UUID]:
    return list(session.scalars(select(CustodyEvent.id).order_by(CustodyEvent.position)))


def test_an_act_on_several_things_is_an_event_about_each(session: Session) -> None:
    exhibits = [uuid4() for _ in range(3)]
    common = {"to": "case", "id": str(CASE), "note": ""}
    details = {each: {**common, "sha256": f"{n}" * 64} for n, each in enumerate(exhibits)}
    ids = append_each(session, Kind.EXHIBIT_LINKED, details, HANDLER)
    events = session.scalars(select(CustodyEvent).order_by(CustodyEvent.position)).all()
    assert [event.id for event in events] == ids
    assert [event.subject_id for event in events] == exhibits
    for event in events:
        said = json.loads(event.canonical)
        assert said["id"] == str(event.id)
        assert said["subject"] == {"type": "exhibit", "id": str(event.subject_id)}
        assert said["details"] == details[event.subject_id]
        assert hashlib.sha256(event.canonical).digest() == event.entry
    assert append_each(session, Kind.EXHIBIT_LINKED, {}, HANDLER) == []


def test_of_several_with_one_that_is_refused_none_is_written(session: Session) -> None:
    details: dict[UUID, dict[str, Any]] = {uuid4(): {"number": "1"}, uuid4(): {"number": 1.5}}
    with pytest.raises(EventInvalid):
        append_each(session, Kind.CASE_VIEWED, details, HANDLER)
    assert session.scalars(select(CustodyEvent)).all() == []
