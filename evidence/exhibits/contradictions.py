"""Where an exhibit's row says something else than its events committed to.

Lists, filters and pages show rows, and whoever holds the database can change a row; the events
are under the signed log. Trusts the events given for what they say: whether they are those that
were signed is for evidence.custody.reading and the proof. Pure, but for `look_into`
and `look_into_all`.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from evidence.custody.append import timestamp
from evidence.custody.kinds import Kind
from evidence.custody.reading import RecordedEvent, newest_of_each
from evidence.errors import InvalidInput, StorageError, StorageUnavailable
from evidence.exhibits import claims
from evidence.exhibits.flags import SETTLED, Flag
from evidence.exhibits.models import Exhibit, ExhibitLink, ExhibitState, Fixity, MediaState
from evidence.recorders.names import recorder_key
from evidence.storage.port import OriginalStore

# The row's sealed_at and its event's time are read from the clock one after the other.
_ONE_TRANSACTION = dt.timedelta(minutes=1)
# Doubts that are found after the acquisition; every other is in its event.
_FOUND_LATER = frozenset(
    flag.value for flag in (Flag.CASE_UNKNOWN, Flag.CLAIMS_DIFFER, Flag.CONTENT_MISMATCH)
)
_HAND_OVERS = frozenset({Kind.RECORDER_CHECKED_OUT.value, Kind.RECORDER_CHECKED_IN.value})


class Member(enum.StrEnum):
    """What contradicts: a member of the exhibit, its history, its links, or the ledger."""

    HISTORY = "history"  # an event is missing, there twice, or altered
    STATE = "state"
    LABEL = "label"
    UPLOAD = "upload"
    FILENAME = "filename"
    SIZE = "size"
    SHA256 = "sha256"
    SM3 = "sm3"
    SHA256_CLAIM = "sha256_claim"
    SHA256_RECEIVED = "sha256_received"
    SHA256_READ_BACK = "sha256_read_back"
    SEGMENTS = "segments_sha256"
    RECORDED_AT = "recorded_at"
    RECORDED_AT_CLAIM = "recorded_at_claim"
    RECORDER = "recorder"
    RECORDER_CLAIM = "recorder_claim"
    WEARER = "wearer"
    UNIT = "unit"
    RECEIVED_AT = "received_at"
    SEALED_AT = "sealed_at"
    FLAGS = "flags"
    FIXITY = "fixity"  # the row hides that the original was altered, or invents it
    MEDIA_TYPE = "media_type"
    MEDIA_STATE = "media_state"
    POSTER = "poster_sha256"
    LINKS = "links"
    ORIGINAL = "original"  # the store has not the bytes that were sealed, or not so many
    LEDGER = "ledger"  # the events of the recorder's ledger name another wearer


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """One member, as the row has it and as the log has it; None where one has nothing."""

    member: Member
    row: str | None
    log: str | None


def look_into(
    session: Session, store: OriginalStore, exhibit: Exhibit, events: Sequence[RecordedEvent]
) -> list[Contradiction]:
    """Every contradiction of `exhibit` with `events`, all of its own, and its recorder's ledger.

    Of the original, only that it is there, and its length: its bytes are for the proof.
    """
    return look_into_all(session, store, [(exhibit, events)])[0]


def look_into_all(
    session: Session,
    store: OriginalStore,
    histories: Sequence[tuple[Exhibit, Sequence[RecordedEvent]]],
) -> list[list[Contradiction]]:
    """The same of several; a store that takes its time is asked of several at once."""
    every = [events for _, events in histories]
    held = zip(histories, _deciding(session, every), _all_stored(store, every), strict=True)
    return [
        [*contradictions(exhibit, events, ledger), *stored]
        for (exhibit, events), ledger, stored in held
    ]


def _deciding(
    session: Session, histories: Sequence[Sequence[RecordedEvent]]
) -> list[list[RecordedEvent]]:
    """Of each recorder's events, the one that says who wore it: what is older changes nothing.

    A recorder's ledger is years long, and every exhibit is held against it.
    """
    asked = [_of_whom(events) for events in histories]
    known = [(recorder, before) for recorder, before, _ in filter(None, asked)]
    ledgers = iter(newest_of_each(session, known))
    return [_last_until(at[2], next(ledgers)) if at else [] for at in asked]


def _of_whom(events: Sequence[RecordedEvent]) -> tuple[UUID, int, str] | None:
    """Its recorder, the position of its acquisition, and the time of the recording."""
    acquired = _acquired(events)
    if acquired is None:
        return None
    recorder, at = acquired.details.get("recorder"), acquired.details.get("recorded_at")
    if not isinstance(recorder, str) or not isinstance(at, str):
        return None
    try:
        return UUID(recorder), acquired.position, at
    except ValueError:
        return None


def _last_until(at: str, ledger: Iterable[RecordedEvent]) -> list[RecordedEvent]:
    handed = (e for e in ledger if e.kind in _HAND_OVERS and str(e.details.get("at")) <= at)
    return list(islice(handed, 1))


def _all_stored(
    store: OriginalStore, histories: Sequence[Sequence[RecordedEvent]]
) -> list[list[Contradiction]]:
    def ask(events: Sequence[RecordedEvent]) -> list[Contradiction]:
        return list(_stored(store, events))

    if (abreast := min(store.abreast, len(histories))) <= 1:
        return [ask(events) for events in histories]
    with ThreadPoolExecutor(abreast) as asking:
        return list(asking.map(ask, histories))


def _stored(store: OriginalStore, events: Sequence[RecordedEvent]) -> Iterator[Contradiction]:
    sealed = _only(events, Kind.EXHIBIT_SEALED)
    # What was found altered is in quarantine, and its own event says so.
    if sealed is None or _only(events, Kind.EXHIBIT_ALTERED):
        return
    try:
        held: int | None = store.size(str(sealed.details.get("sha256")))
    except StorageUnavailable:
        return  # nothing can be said of it just now
    except (StorageError, InvalidInput):
        held = None
    yield from _one(Member.ORIGINAL, held, sealed.details.get("size"))


def contradictions(
    exhibit: Exhibit, events: Sequence[RecordedEvent], ledger: Sequence[RecordedEvent] = ()
) -> list[Contradiction]:
    """What differs: the history first, then members in the order of the events, links, ledger.

    `events` are all of the exhibit's and `ledger` all of its recorder's, in the order of the log.
    """
    acquired = _acquired(events)
    settled = _only(events, Kind.EXHIBIT_SEALED) or _only(events, Kind.EXHIBIT_QUARANTINED)
    altered = _only(events, Kind.EXHIBIT_ALTERED) is not None
    found = [*_history(events)]
    if acquired:
        found += _differing(_acquired_row(exhibit), acquired.details)
        found += _flags(exhibit, acquired.details.get("flags"))
    if settled:
        found += _settled(exhibit, settled, events)
        found += _one(Member.FIXITY, exhibit.fixity is Fixity.ALTERED, altered)
    found += _media(exhibit, events)
    found += _links(exhibit, events)
    if acquired:
        found += _ledger(acquired, ledger)
    return list(dict.fromkeys(found))


def _only(events: Iterable[RecordedEvent], kind: Kind) -> RecordedEvent | None:
    return next((event for event in events if event.kind == kind.value), None)


def _acquired(events: Sequence[RecordedEvent]) -> RecordedEvent | None:
    """exhibit:acquired; where the recorder was entered only later, as exhibit:attributed has it."""
    acquired, later = (_only(events, k) for k in (Kind.EXHIBIT_ACQUIRED, Kind.EXHIBIT_ATTRIBUTED))
    if acquired is None or later is None:
        return acquired
    details = {**acquired.details, **later.details}
    return replace(acquired, position=later.position, details=details)


def _may_be_attributed(events: Sequence[RecordedEvent]) -> bool:
    """Whether exhibit:attributed, if there is one, settles only what was open.

    Whoever can write rows can have any event signed; this one must not speak for a changed row.
    """
    acquired, later = (_only(events, k) for k in (Kind.EXHIBIT_ACQUIRED, Kind.EXHIBIT_ATTRIBUTED))
    if acquired is None or later is None:
        return later is None
    had, has = acquired.details, later.details
    claimed = claims.recorder(str(had.get("filename")), str(had.get("recorder_claim")))
    return (
        later.position > acquired.position
        and had.get("recorder") is None
        and had.get("unit") in (None, has.get("unit"))
        and set(had.get("flags") or ()) - SETTLED <= set(has.get("flags") or ())
        and recorder_key(str(has.get("number"))) == recorder_key(claimed)
    )


def _history(events: Sequence[RecordedEvent]) -> Iterator[Contradiction]:
    """One exhibit:acquired and one event of what became of it; none is altered."""
    kinds = Counter(event.kind for event in events)
    wanted = (
        (Kind.EXHIBIT_ACQUIRED, kinds[Kind.EXHIBIT_ACQUIRED.value]),
        (
            Kind.EXHIBIT_SEALED,
            kinds[Kind.EXHIBIT_SEALED.value] + kinds[Kind.EXHIBIT_QUARANTINED.value],
        ),
    )
    for kind, count in wanted:
        if count != 1:
            yield Contradiction(member=Member.HISTORY, row=None, log=f"{kind.value} × {count}")
    if (count := kinds[Kind.EXHIBIT_ATTRIBUTED.value]) > 1 or not _may_be_attributed(events):
        again = f"{Kind.EXHIBIT_ATTRIBUTED.value} × {count}"
        yield Contradiction(member=Member.HISTORY, row=None, log=again)
    for event in events:
        if event.state == "altered":
            altered = f"{event.kind} ({event.position})"
            yield Contradiction(member=Member.HISTORY, row=altered, log=None)


def _acquired_row(exhibit: Exhibit) -> dict[Member, Any]:
    """The row in the words of exhibit:acquired."""
    return {
        Member.LABEL: exhibit.label,
        Member.UPLOAD: exhibit.upload_id,
        Member.FILENAME: exhibit.filename,
        Member.SIZE: exhibit.size,
        Member.RECORDED_AT_CLAIM: exhibit.recorded_at_claim,
        Member.RECORDED_AT: exhibit.recorded_at,
        Member.RECORDER_CLAIM: exhibit.recorder_claim,
        Member.RECORDER: exhibit.recorder_id,
        Member.WEARER: exhibit.officer_id,
        Member.UNIT: exhibit.unit_id,
        Member.RECEIVED_AT: exhibit.received_at,
        Member.SHA256_CLAIM: exhibit.sha256_claim,
    }


def _settled(
    exhibit: Exhibit, event: RecordedEvent, events: Sequence[RecordedEvent]
) -> Iterator[Contradiction]:
    """The row against exhibit:sealed or exhibit:quarantined, and exhibit:altered."""
    sealed = event.kind == Kind.EXHIBIT_SEALED.value
    altered = _only(events, Kind.EXHIBIT_ALTERED) is not None
    state = ExhibitState.SEALED if sealed and not altered else ExhibitState.QUARANTINED
    yield from _one(Member.STATE, exhibit.state.value, state.value)
    row = {
        Member.SIZE: exhibit.size,
        Member.SHA256_CLAIM: exhibit.sha256_claim,
        Member.SHA256_RECEIVED: exhibit.sha256_received,
        Member.SEGMENTS: exhibit.segments_digest,
    }
    yield from _differing(row, event.details)
    digest = event.details.get("sha256" if sealed else "sha256_read_back")
    yield from _one(Member.SHA256, exhibit.sha256, digest)
    yield from _one(Member.SHA256_READ_BACK, exhibit.sha256_read_back, digest)
    later = _only(events, Kind.EXHIBIT_DIGESTED)
    said = event.details.get("sm3" if sealed else "sm3_read_back")
    yield from _one(Member.SM3, exhibit.sm3, later.details.get("sm3") if later else said)
    at = exhibit.sealed_at
    if sealed and (at is None or abs(at - event.at) > _ONE_TRANSACTION):
        yield from _one(Member.SEALED_AT, at, timestamp(event.at))


def _differing(row: dict[Member, Any], said: Any) -> Iterator[Contradiction]:
    """Of the members that the event has, those that the row has otherwise."""
    for member, value in row.items():
        if member.value in said:
            yield from _one(member, value, said[member.value])


def _one(member: Member, row: Any, log: Any) -> Iterator[Contradiction]:
    row, log = _text(row), _text(log)
    if row != log:
        yield Contradiction(member=member, row=row, log=log)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return timestamp(value) if isinstance(value, dt.datetime) else str(value)


def _flags(exhibit: Exhibit, said: Any) -> Iterator[Contradiction]:
    """No doubt of the acquisition was taken off, and none is there that it did not have."""
    had, has = set(said if isinstance(said, list) else []), set(exhibit.flags or [])
    if not had <= has or has - had - _FOUND_LATER:
        yield from _one(Member.FLAGS, ", ".join(sorted(has)), ", ".join(sorted(had)))


def _media(exhibit: Exhibit, events: Sequence[RecordedEvent]) -> Iterator[Contradiction]:
    """What a browser is told that the bytes are, and the picture that stands for them."""
    probed = _only(events, Kind.EXHIBIT_PROBED)
    if probed is None:
        yield from _one(Member.MEDIA_STATE, exhibit.media_state.value, MediaState.PENDING.value)
        return
    said = probed.details
    yield from _one(Member.MEDIA_STATE, exhibit.media_state.value, said.get("media_state"))
    yield from _one(Member.MEDIA_TYPE, exhibit.media_type, said.get("media_type"))
    yield from _one(Member.POSTER, exhibit.poster_sha256, said.get("poster_sha256"))


def _links(exhibit: Exhibit, events: Sequence[RecordedEvent]) -> Iterator[Contradiction]:
    """Every link that was made has its row, as it was made and as it was ended, and no other."""
    rows = Counter(_link_row(link) for link in exhibit.links)
    said = Counter(_links_said(events))
    for link in rows - said:
        yield Contradiction(member=Member.LINKS, row=" · ".join(filter(None, link)), log=None)
    for link in said - rows:
        yield Contradiction(member=Member.LINKS, row=None, log=" · ".join(filter(None, link)))
    # By its place among the exhibits, lists know what a link is of: of another, it would show that.
    for where in {link.exhibit_position for link in exhibit.links} - {exhibit.position}:
        yield from _one(Member.LINKS, where, exhibit.position)


# What it is linked to, by whom, with which note and digest; by whom it was taken off, and why.
_Link = tuple[str, str, str, str, str, str]


def _link_row(link: ExhibitLink) -> _Link:
    kind = "case" if link.case_id else "inspection"
    return (
        f"{kind} {link.case_id or link.inspection_id}",
        str(link.linked_by),
        link.note,
        link.sha256_at_link,
        str(link.unlinked_by) if link.unlinked_at else "",
        link.unlink_reason or "",
    )


def _links_said(events: Sequence[RecordedEvent]) -> list[_Link]:
    open_links: dict[str, _Link] = {}
    ended: list[_Link] = []
    for event in events:
        d = event.details
        target = f"{d.get('to')} {d.get('id')}"
        if event.kind == Kind.EXHIBIT_LINKED.value:
            made = (target, str(event.actor_id), str(d.get("note")), str(d.get("sha256")), "", "")
            open_links[target] = made
        elif event.kind == Kind.EXHIBIT_UNLINKED.value:
            before = open_links.pop(target, (target, "", "", "", "", ""))
            ended.append((*before[:4], str(event.actor_id), str(d.get("reason"))))
    return [*ended, *open_links.values()]


def _ledger(acquired: RecordedEvent, ledger: Sequence[RecordedEvent]) -> Iterator[Contradiction]:
    """The wearer is whom the events of the ledger named when the recording was acquired."""
    said = acquired.details
    if not said.get("recorder") or not isinstance(at := said.get("recorded_at"), str):
        return
    known = [event for event in ledger if event.position < acquired.position]
    yield from _one(Member.LEDGER, said.get("wearer"), worn_by(known, at))


def worn_by(ledger: Sequence[RecordedEvent], at: str) -> str | None:
    """Who had the recorder at `at` (RFC 3339 as in events), by the events of its ledger."""
    wearer: str | None = None
    for event in ledger:
        if str(event.details.get("at")) > at:
            continue
        if event.kind == Kind.RECORDER_CHECKED_OUT.value:
            wearer = _text(event.details.get("officer"))
        elif event.kind == Kind.RECORDER_CHECKED_IN.value:
            wearer = None
    return wearer
