"""How it stands with those who vouch for the log, and the checkpoints kept because they did."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.checkpoint import Checkpoint
from evidence.custody.models import Correspondence, Cosignature, KeptCheckpoint, Stamp
from evidence.custody.note import Note

# Before the second attempt, and at most between two.
_AGAIN, _AT_MOST = dt.timedelta(seconds=5), dt.timedelta(minutes=10)
# Of the newest checkpoints, among which one that is cosigned is looked for.
_LOOKED_AT = 5


def standing(session: Session, name: str) -> Correspondence:
    """The row of a witness (its verifier key) or of an authority (its address)."""
    found = session.get(Correspondence, name, with_for_update=True, populate_existing=True)
    if found is None:
        found = Correspondence(name=name, size=0, attempts=0, problem="")
        session.add(found)
    return found


def rests(stands: Correspondence | None, now: dt.datetime) -> bool:
    """Whether one who did not answer is left alone: twice as long after every attempt in vain."""
    if stands is None or stands.tried_at is None or not stands.attempts:
        return False
    waits = min(_AGAIN * 2 ** min(stands.attempts - 1, 20), _AT_MOST)
    rested: bool = stands.tried_at <= now < stands.tried_at + waits
    return rested


def answered(stands: Correspondence, size: int) -> None:
    stands.size, stands.attempts, stands.problem = size, 0, ""
    stands.answered_at = stands.tried_at = clock.now()
    stands.silent_since = stands.refused_at = None


def in_vain(stands: Correspondence, problem: str) -> None:
    stands.tried_at = clock.now()
    stands.silent_since = stands.silent_since or stands.tried_at
    stands.attempts += 1
    stands.problem = problem


def keep(session: Session, note: str, size: int) -> None:
    """Keep a checkpoint; of those before it that only were cosigned, the hours' first remain."""
    if session.get(KeptCheckpoint, size) is not None:
        return
    now = clock.now()
    hour = now.replace(minute=0, second=0, microsecond=0)
    of_this_hour = select(KeptCheckpoint.size).where(
        KeptCheckpoint.signed_at >= hour, KeptCheckpoint.size < size
    )
    first = session.scalar(of_this_hour.order_by(KeptCheckpoint.size).limit(1))
    # The one just before stays as well: another witness may be about to answer it.
    last = session.scalar(select(func.max(KeptCheckpoint.size)))
    gone = session.scalars(
        of_this_hour.where(
            KeptCheckpoint.size.not_in([first, last]),
            KeptCheckpoint.size.not_in(select(Stamp.size)),
        )
    ).all()
    session.execute(delete(Cosignature).where(Cosignature.size.in_(gone)))
    session.execute(delete(KeptCheckpoint).where(KeptCheckpoint.size.in_(gone)))
    session.add(KeptCheckpoint(size=size, note=note, signed_at=now))
    session.flush()


def with_lines(note: str, lines: Sequence[str]) -> str:
    """A note with further signature lines."""
    return note + "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def most_cosigned(
    session: Session, index: int, witnesses: Sequence[str]
) -> tuple[str | None, bool]:
    """The checkpoint over leaf `index` that most of `witnesses` (verifier keys) have cosigned.

    The newest of several; as it was kept, without the cosignatures. With it, whether no more is to
    be waited for: everybody who answers at all has cosigned it.
    """
    silent = select(Correspondence.name).where(
        Correspondence.name.in_(witnesses), Correspondence.silent_since.is_not(None)
    )
    awaited = set(witnesses) - set(session.scalars(silent))
    kept = session.scalars(
        select(KeptCheckpoint)
        .where(KeptCheckpoint.size > index)
        .order_by(KeptCheckpoint.size.desc())
        .limit(_LOOKED_AT)
    ).all()
    best, most, all_of_them = None, 0, not awaited
    for checkpoint in kept:
        query = select(Cosignature.witness).where(
            Cosignature.size == checkpoint.size, Cosignature.witness.in_(witnesses)
        )
        by = set(session.scalars(query))
        if len(by) > most:
            best, most, all_of_them = checkpoint.note, len(by), awaited <= by
    return best, all_of_them


def cosigned(session: Session, note: str) -> str:
    """`note` with every cosignature of it that was kept."""
    text = Note.parse(note).text
    size = Checkpoint.parse(text).size
    kept = session.get(KeptCheckpoint, size)
    if kept is None or Note.parse(kept.note).text != text:
        return note
    query = select(Cosignature.line).where(Cosignature.size == size).order_by(Cosignature.witness)
    return with_lines(note, session.scalars(query).all())
