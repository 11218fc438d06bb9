"""A row that was changed is found against what its events committed to, whatever was changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import random
import threading
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from evidence.custody.append import append, timestamp
from evidence.custody.kinds import Kind
from evidence.custody.reading import RecordedEvent, State, events_of
from evidence.exhibits.contradictions import (
    Contradiction,
    Member,
    contradictions,
    look_into,
    look_into_all,
    worn_by,
)
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, MediaState
from evidence.people.actor import SYSTEM
from evidence.storage.memory import MemoryStore

BYTES = hashlib.sha256(b"footage").hexdigest()
OTHER = "0" * 64
NOON = dt.datetime(2023, 9, 15, 4, 0, tzinfo=dt.UTC)
UPLOAD, RECORDER, WEARER, UNIT, CASE, HANDLER = (UUID(int=n) for n in range(1, 7))


def _event(position: int, kind: str, state: State = "sequenced", **details: Any) -> RecordedEvent:
    return RecordedEvent(
        position=position,
        leaf_index=position,
        at=NOON,
        kind=kind,
        subject_type=kind.split(":", maxsplit=1)[0],
        subject_id=uuid4(),
        actor_type="officer",
        actor_id=HANDLER,
        via="console",
        details=details,
        entry_hex="",
        state=state,
    )


def _row(**changed: Any) -> Exhibit:
    members: dict[str, Any] = {
        "label": "E2023-000001",
        "position": 71,
        "state": ExhibitState.SEALED,
        "upload_id": UPLOAD,
        "filename": "a.mp4",
        "size": 7,
        "sha256": BYTES,
        "sha256_claim": BYTES,
        "sha256_received": BYTES,
        "sha256_read_back": BYTES,
        "segments_digest": BYTES,
        "recorded_at": NOON,
        "recorded_at_claim": "2023-09-15T12:00:00",
        "recorder_claim": "HD-012",
        "recorder_id": RECORDER,
        "officer_id": WEARER,
        "unit_id": UNIT,
        "received_at": NOON,
        "sealed_at": NOON,
        "flags": ["content_mismatch", "time_naive"],
        "media_state": MediaState.READ,
        "media_type": "video/mp4",
        "poster_sha256": BYTES,
    }
    exhibit = Exhibit(**{**members, **changed})
    exhibit.links = [_link()]
    return exhibit


def _link(**changed: Any) -> ExhibitLink:
    made: dict[str, Any] = {
        "case_id": CASE,
        "linked_by": HANDLER,
        "linked_at": NOON,
        "note": "现场",
        "sha256_at_link": BYTES,
        "exhibit_position": 71,
    }
    return ExhibitLink(**{**made, **changed})


def _events() -> list[RecordedEvent]:
    return [
        _event(
            3,
            "exhibit:acquired",
            label="E2023-000001",
            upload=str(UPLOAD),
            filename="a.mp4",
            size=7,
            recorded_at_claim="2023-09-15T12:00:00",
            recorded_at=timestamp(NOON),
            recorder_claim="HD-012",
            recorder=str(RECORDER),
            wearer=str(WEARER),
            unit=str(UNIT),
            received_at=timestamp(NOON),
            sha256_claim=BYTES,
            flags=["time_naive"],
        ),
        _event(
            4,
            "exhibit:sealed",
            size=7,
            sha256=BYTES,
            sha256_claim=BYTES,
            sha256_received=BYTES,
            segments_sha256=BYTES,
            segments=1,
        ),
        _event(
            5,
            "exhibit:probed",
            media_type="video/mp4",
            media_state="read",
            tool="ffmpeg",
            poster_sha256=BYTES,
        ),
        _event(6, "exhibit:linked", to="case", id=str(CASE), note="现场", sha256=BYTES),
    ]


def _ledger() -> list[RecordedEvent]:
    morning, evening = timestamp(NOON - dt.timedelta(hours=4)), timestamp(NOON)
    return [
        _event(1, "recorder:checked_out", checkout="1", officer=str(HANDLER), at=morning),
        _event(1, "recorder:checked_in", checkout="1", officer=str(HANDLER), at=evening),
        _event(2, "recorder:checked_out", checkout="2", officer=str(WEARER), at=evening),
        # Handed to somebody else when the recording was here already.
        _event(9, "recorder:checked_in", checkout="2", officer=str(WEARER), at=evening),
    ]


def _members(found: list[Contradiction]) -> set[Member]:
    return {contradiction.member for contradiction in found}


def test_a_row_as_its_events_committed_to_it_contradicts_nothing() -> None:
    assert contradictions(_row(), _events(), _ledger()) == []


@pytest.mark.parametrize(
    ("column", "value", "members"),
    [
        ("label", "E2023-000002", {Member.LABEL}),
        ("upload_id", HANDLER, {Member.UPLOAD}),
        ("filename", "b.mp4", {Member.FILENAME}),
        ("size", 8, {Member.SIZE}),
        ("sha256", OTHER, {Member.SHA256}),
        ("sha256_claim", None, {Member.SHA256_CLAIM}),
        ("sha256_received", OTHER, {Member.SHA256_RECEIVED}),
        ("sha256_read_back", OTHER, {Member.SHA256_READ_BACK}),
        ("segments_digest", OTHER, {Member.SEGMENTS}),
        ("recorded_at", NOON - dt.timedelta(days=1), {Member.RECORDED_AT}),
        ("recorded_at_claim", "", {Member.RECORDED_AT_CLAIM}),
        ("recorder_claim", "HD-013", {Member.RECORDER_CLAIM}),
        ("recorder_id", HANDLER, {Member.RECORDER}),
        ("officer_id", HANDLER, {Member.WEARER}),
        ("officer_id", None, {Member.WEARER}),
        ("unit_id", HANDLER, {Member.UNIT}),
        ("received_at", NOON - dt.timedelta(seconds=1), {Member.RECEIVED_AT}),
        ("sealed_at", NOON - dt.timedelta(hours=1), {Member.SEALED_AT}),
        ("sealed_at", None, {Member.SEALED_AT}),
        ("state", ExhibitState.QUARANTINED, {Member.STATE}),
        ("flags", [], {Member.FLAGS}),
        ("flags", ["time_naive", "late_upload"], {Member.FLAGS}),
        ("media_type", "text/html", {Member.MEDIA_TYPE}),
        ("media_state", MediaState.UNREADABLE, {Member.MEDIA_STATE}),
        ("poster_sha256", OTHER, {Member.POSTER}),
    ],
)
def test_a_member_that_was_changed_is_named(column: str, value: Any, members: set[Member]) -> None:
    found = contradictions(_row(**{column: value}), _events(), _ledger())
    assert _members(found) == members
    assert all(c.row != c.log for c in found)


@pytest.mark.parametrize(
    "link",
    [
        None,
        _link(case_id=WEARER),
        _link(case_id=None, inspection_id=CASE),
        _link(note="另一处"),
        _link(linked_by=WEARER),
        _link(sha256_at_link=OTHER),
        _link(unlinked_at=NOON),
        _link(unlinked_at=NOON, unlinked_by=HANDLER, unlink_reason="错挂"),
    ],
    ids=["gone", "other case", "inspection", "note", "by", "digest", "off", "off with reason"],
)
def test_a_link_that_was_removed_moved_or_ended_is_named(link: ExhibitLink | None) -> None:
    row = _row()
    row.links = [link] if link else []
    found = contradictions(row, _events(), _ledger())
    assert _members(found) == {Member.LINKS}
    assert any(c.log and str(CASE) in c.log for c in found)


def test_a_link_without_its_event_is_named() -> None:
    row = _row()
    row.links.append(_link(case_id=WEARER))
    (found,) = contradictions(row, _events(), _ledger())
    assert (found.member, found.log) == (Member.LINKS, None)


def test_a_link_that_would_show_another_exhibit_in_a_list_is_named() -> None:
    row = _row()
    row.links = [_link(exhibit_position=72)]
    (found,) = contradictions(row, _events(), _ledger())
    assert (found.member, found.row, found.log) == (Member.LINKS, "72", "71")


def test_a_link_that_was_ended_and_made_again_contradicts_nothing() -> None:
    row = _row()
    row.links = [_link(unlinked_at=NOON, unlinked_by=HANDLER, unlink_reason="错挂"), _link()]
    off = _event(7, "exhibit:unlinked", to="case", id=str(CASE), reason="错挂")
    again = _event(8, "exhibit:linked", to="case", id=str(CASE), note="现场", sha256=BYTES)
    assert contradictions(row, [*_events(), off, again], _ledger()) == []
    assert _members(contradictions(row, [*_events(), off], _ledger())) == {Member.LINKS}


@pytest.mark.parametrize("gone", [0, 1, 2, 3])
def test_an_event_that_is_gone_is_noticed(gone: int) -> None:
    events = _events()
    del events[gone]
    assert contradictions(_row(), events, _ledger())


def test_a_second_acquisition_does_not_excuse_the_row() -> None:
    first, *rest = _events()
    said = {**first.details, "wearer": str(HANDLER)}
    events = [first, *rest, _event(7, "exhibit:acquired", **said)]
    found = contradictions(_row(officer_id=HANDLER), events, _ledger())
    assert _members(found) == {Member.HISTORY, Member.WEARER}


def test_an_altered_event_is_a_contradiction_even_where_it_has_no_details_left() -> None:
    events = [*_events()[:2], _event(5, "exhibit:probed", "altered"), *_events()[3:]]
    assert Member.HISTORY in _members(contradictions(_row(), events, _ledger()))


def test_a_row_without_any_event_was_planted() -> None:
    found = contradictions(_row(), [], [])
    assert {Member.HISTORY, Member.MEDIA_STATE, Member.LINKS} == _members(found)


def test_a_quarantined_row_is_held_against_its_own_event() -> None:
    acquired = _events()[0]
    events = [
        acquired,
        _event(
            4,
            "exhibit:quarantined",
            size=7,
            sha256_claim=BYTES,
            sha256_received=None,
            sha256_read_back=OTHER,
            segments_sha256=BYTES,
            segments=1,
            differed=["received"],
        ),
    ]
    row = _row(
        state=ExhibitState.QUARANTINED,
        sha256=OTHER,
        sha256_received=None,
        sha256_read_back=OTHER,
        sealed_at=None,
        media_state=MediaState.PENDING,
    )
    row.links = []
    assert contradictions(row, events, _ledger()) == []
    row.state = ExhibitState.SEALED
    assert _members(contradictions(row, events, _ledger())) == {Member.STATE}


def test_a_wearer_whom_the_ledgers_events_never_named_is_a_contradiction() -> None:
    for ledger in ([], _ledger()[:2]):
        (found,) = contradictions(_row(), _events(), ledger)
        assert found == Contradiction(member=Member.LEDGER, row=str(WEARER), log=None)


@pytest.mark.parametrize(
    ("hours", "wearer"), [(-5, None), (-4, HANDLER), (-1, HANDLER), (0, None), (1, None)]
)
def test_the_events_of_the_ledger_tell_who_had_the_recorder(
    hours: int, wearer: UUID | None
) -> None:
    at = timestamp(NOON + dt.timedelta(hours=hours))
    assert worn_by(_ledger()[:2], at) == (str(wearer) if wearer else None)


def test_of_a_long_ledger_its_newest_events_tell_what_all_of_them_do(session: Session) -> None:
    chance = random.Random(5)
    for _ in range(60):  # written down out of order, as after a day without the network
        kind = chance.choice([Kind.RECORDER_CHECKED_OUT, Kind.RECORDER_CHECKED_IN])
        at, officer = NOON + dt.timedelta(hours=chance.randrange(40)), chance.choice([WEARER, CASE])
        append(
            session, kind, RECORDER, SYSTEM, checkout="1", officer=str(officer), at=timestamp(at)
        )
    append(session, Kind.RECORDER_REGISTERED, RECORDER, SYSTEM, number="HD-012", unit=str(UNIT))
    session.flush()
    ledger = events_of(session, [RECORDER])
    acquired, *rest = _events()
    verdicts = set()
    for hours in range(-1, 41):
        for position in [*(event.position for event in ledger[::7]), ledger[-1].position + 1]:
            at = timestamp(NOON + dt.timedelta(hours=hours))
            said = {**acquired.details, "recorded_at": at}
            events = [dataclasses.replace(acquired, position=position, details=said), *rest]
            whole = contradictions(_row(), events, ledger)
            found = look_into(session, MemoryStore(), _row(), events)
            assert [c for c in found if c.member is not Member.ORIGINAL] == whole
            verdicts |= {(c.row, c.log) for c in whole if c.member is Member.LEDGER}
    assert verdicts == {(str(WEARER), str(CASE)), (str(WEARER), None)}


class _FarAway(MemoryStore):
    """Answers no question before the next is asked, too."""

    abreast = 2

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def size(self, sha256: str) -> int:
        self._both.wait(30)
        return super().size(sha256)


def test_a_store_that_takes_its_time_is_asked_of_several_at_once(session: Session) -> None:
    changed = _row(size=8)
    histories = [(_row(), _events()), (changed, _events())]
    as_it_was, other = look_into_all(session, _FarAway(), histories)
    assert {each.member for each in as_it_was} == {Member.LEDGER, Member.ORIGINAL}
    assert {each.member for each in other} == {Member.LEDGER, Member.ORIGINAL, Member.SIZE}
