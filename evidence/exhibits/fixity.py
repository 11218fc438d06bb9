"""Fixity: every original is read again, the oldest reading first, and compared with its sealing.

A check reads without a transaction, and `record` writes down what it found. Bytes that are not
those that were sealed, twice in a row, are set aside in quarantine with an event; the same bytes
may then be brought in anew, as another exhibit. An original that cannot be read stays where it
is, with an event; when it can be read again, that is one too.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.digests import Segment, unpack_segments
from evidence.errors import OriginalMissing, StorageUnavailable
from evidence.exhibits.models import Exhibit, ExhibitSegments, ExhibitState, Fixity, ReadingAsked
from evidence.people.actor import SYSTEM, Actor
from evidence.sm3 import SM3, new_sm3
from evidence.storage.port import Store
from evidence.turns import take_turn

# What was just read would come out of the cache, and be in the way of what comes in.
RESTS = dt.timedelta(hours=1)
# So many numbers of segments stand in an event: 8 GB of them.
_NAMED_SEGMENTS = 1000

Pace = Callable[[int], None]  # told how many bytes were read; waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """What an original was when it was sealed, as it was known `at`, before it is read again."""

    exhibit_id: UUID
    sha256: str
    sm3: str | None
    size: int
    segments: Sequence[Segment]
    at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What reading an original again has shown."""

    fixity: Fixity
    sha256: str = ""
    sm3: str | None = None
    size: int = 0
    segments: Sequence[int] = ()  # those that differ, from 0
    problem: str = ""


def oldest(session: Session, but: Collection[UUID] = ()) -> Sealed | None:
    """The sealed original whose last reading lies furthest back, and not within RESTS.

    None of the exhibits in `but`.
    """
    exhibit = session.scalar(
        select(Exhibit)
        .where(
            Exhibit.state == ExhibitState.SEALED,
            Exhibit.last_read_at <= clock.now() - RESTS,
            Exhibit.id.not_in(but),
        )
        .order_by(Exhibit.last_read_at)
        .limit(1)
    )
    return sealed(session, exhibit) if exhibit else None


def ask(session: Session, exhibit_id: UUID) -> None:
    """Keep that an original is to be read again before its turn, until it was."""
    take_turn(session, exhibit_id)
    session.merge(ReadingAsked(exhibit_id=exhibit_id, asked_at=clock.now()))


def sealed(session: Session, exhibit: Exhibit) -> Sealed:
    kept = session.get(ExhibitSegments, exhibit.id)
    return Sealed(
        exhibit_id=exhibit.id,
        sha256=exhibit.sha256,
        sm3=exhibit.sm3,
        size=exhibit.size,
        segments=unpack_segments(kept.packed) if kept else (),
        at=clock.now(),
    )


def counts(session: Session) -> dict[Fixity, int]:
    """How many originals are in which state of fixity; those that never were sealed are not."""
    rows = session.execute(
        select(Exhibit.fixity, func.count())
        .where(Exhibit.sealed_at.is_not(None))
        .group_by(Exhibit.fixity)
    )
    found = dict.fromkeys(Fixity, 0)
    found.update((fixity, count) for fixity, count in rows)
    return found


def ages(session: Session, step: dt.timedelta, steps: int) -> list[int]:
    """How many sealed originals were last read less than 1, 2, … steps ago; the last: the rest."""
    now, found = clock.now(), []
    for n in range(steps):
        query = select(func.count()).where(
            Exhibit.state == ExhibitState.SEALED, Exhibit.last_read_at <= now - n * step
        )
        if n < steps - 1:
            query = query.where(Exhibit.last_read_at > now - (n + 1) * step)
        found.append(session.scalar(query) or 0)
    return found


def interval(session: Session, period: dt.timedelta) -> dt.timedelta:
    """How far apart checks are, so that each original is read once in `period`."""
    count = session.scalar(
        select(func.count()).select_from(Exhibit).where(Exhibit.state == ExhibitState.SEALED)
    )
    return period / max(count or 0, 1)


def read_again(
    store: Store, original: Sealed, pace: Pace = lambda _: None, *, sm3: bool = SM3
) -> Check:
    """Read every byte again, and a second time where they are not those that were sealed.

    With `sm3` that digest is taken of an original too that was sealed without.

    Raises StorageUnavailable where the store as a whole cannot be reached: that says nothing of
    an original.
    """
    found = Check(fixity=Fixity.UNCHECKED)
    for _ in range(2):
        try:
            found = _compared(original, _pieces(store, original), pace, sm3 or bool(original.sm3))
        except (OriginalMissing, StorageUnavailable) as error:
            store.check()
            found = Check(fixity=Fixity.UNREADABLE, problem=str(error))
        if found.fixity is Fixity.INTACT:
            break
    return found


def _pieces(store: Store, original: Sealed) -> Iterator[bytes]:
    try:
        return store.read_again(original.sha256)
    except OriginalMissing:
        # Set aside before, by somebody who died before it was written down.
        return store.read_quarantined(original.exhibit_id)


def _compared(original: Sealed, pieces: Iterator[bytes], pace: Pace, with_sm3: bool) -> Check:
    """The bytes beside the digests, segment by segment."""
    whole, size = hashlib.sha256(), 0
    sm3 = new_sm3() if with_sm3 else None
    part, left, at = hashlib.sha256(), 0, -1
    digests: list[bytes] = []
    lengths = iter([segment.length for segment in original.segments])
    for piece in pieces:
        whole.update(piece)
        if sm3:
            sm3.update(piece)
        size += len(piece)
        view = memoryview(piece)
        while view:
            if not left:
                if at >= 0:
                    digests.append(part.digest())
                part, at = hashlib.sha256(), at + 1
                left = next(lengths, len(view))
            part.update(view[:left])
            taken = min(left, len(view))
            left, view = left - taken, view[taken:]
        pace(len(piece))
    if at >= 0:
        digests.append(part.digest())
    found = sm3.hexdigest() if sm3 else None
    if whole.hexdigest() == original.sha256 and original.sm3 in (None, found):
        return Check(fixity=Fixity.INTACT, sha256=original.sha256, sm3=found, size=size)
    return Check(
        fixity=Fixity.ALTERED,
        sha256=whole.hexdigest(),
        size=size,
        segments=[
            i
            for i, segment in enumerate(original.segments)
            if i >= len(digests) or digests[i] != segment.sha256
        ],
    )


def record(
    session: Session, store: Store, original: Sealed, check: Check, by: Actor = SYSTEM
) -> None:
    """Write down what a check found; changes nothing of an exhibit that is in quarantine."""
    take_turn(session, original.exhibit_id)
    # Whoever asked while the bytes were being read already has not been answered.
    asked = ReadingAsked.exhibit_id == original.exhibit_id
    session.execute(delete(ReadingAsked).where(asked, ReadingAsked.asked_at <= original.at))
    exhibit = session.get_one(Exhibit, original.exhibit_id, populate_existing=True)
    if exhibit.state is not ExhibitState.SEALED:
        return
    before, exhibit.fixity, exhibit.last_read_at = exhibit.fixity, check.fixity, clock.now()
    if check.fixity is Fixity.ALTERED:
        store.set_aside(exhibit.sha256, exhibit.id)
        exhibit.state = ExhibitState.QUARANTINED
        append(
            session,
            Kind.EXHIBIT_ALTERED,
            exhibit.id,
            by,
            sha256=exhibit.sha256,
            sha256_found=check.sha256,
            size=exhibit.size,
            size_found=check.size,
            segments=list(check.segments[:_NAMED_SEGMENTS]),
        )
    elif check.fixity is Fixity.UNREADABLE and before is not Fixity.UNREADABLE:
        append(
            session,
            Kind.EXHIBIT_UNREADABLE,
            exhibit.id,
            by,
            sha256=exhibit.sha256,
            problem=check.problem,
        )
    if check.fixity is Fixity.INTACT and exhibit.sm3 is None and check.sm3:
        # Sealed by a system that had no SM3.
        exhibit.sm3 = check.sm3
        append(
            session,
            Kind.EXHIBIT_DIGESTED,
            exhibit.id,
            by,
            sha256=exhibit.sha256,
            sm3=check.sm3,
        )
    if check.fixity is Fixity.INTACT and before is Fixity.UNREADABLE:
        append(session, Kind.EXHIBIT_READABLE_AGAIN, exhibit.id, by, sha256=exhibit.sha256)
