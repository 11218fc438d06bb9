"""The check-out ledger: who had which recorder when. It, and no file name, names the wearer."""

from __future__ import annotations

import datetime as dt
from uuid import UUID, uuid5

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append, timestamp
from evidence.custody.kinds import Kind
from evidence.errors import (
    AlreadyCheckedOut,
    CheckoutOverlaps,
    Conflict,
    IdentifierReused,
    InvalidInput,
    NaiveTime,
    NameTaken,
    NotCheckedOut,
)
from evidence.people.access import Act, Reach, require
from evidence.people.actor import Actor
from evidence.people.models import Officer, OfficerStatus, Unit
from evidence.recorders import books
from evidence.recorders.models import Checkout, Recorder, RecorderStatus
from evidence.recorders.names import recorder_key
from evidence.turns import take_turn

_NUMBERS = UUID("0f6e2c52-38a4-4c0c-9d8e-5d8f6a0b7c11")
# The clock of whoever types may run ahead of ours by this much.
_AHEAD = dt.timedelta(minutes=5)


def register(
    session: Session, number: str, unit: Unit, by: Actor, *, model: str = "", serial: str = ""
) -> Recorder:
    """Enter a recorder. Raises AccessDenied, InvalidInput, NameTaken where the number is taken."""
    require(by, Act.RECORDER_MANAGE)
    key = recorder_key(number)
    if not 3 <= len(key) <= 30 or len(number.strip()) > 30:
        raise InvalidInput("A recorder's number has 3 to 30 letters and digits, such as HD-012.")
    take_turn_of(session, number)
    if session.scalar(select(Recorder).where(Recorder.key == key)) is not None:
        raise NameTaken(f"There is a recorder {number} already.")
    recorder = Recorder(
        number=number.strip(),
        key=key,
        unit_id=unit.id,
        model=model.strip(),
        serial=serial.strip() or None,
    )
    session.add(recorder)
    session.flush()
    append(
        session,
        Kind.RECORDER_REGISTERED,
        recorder.id,
        by,
        number=recorder.number,
        unit=str(unit.id),
    )
    return recorder


def take_turn_of(session: Session, number: str) -> None:
    """In turn with whoever enters a recorder of this number, or asks for it in vain."""
    take_turn(session, uuid5(_NUMBERS, recorder_key(number)))


def find_by_number(session: Session, number: str) -> Recorder | None:
    """The recorder of this number, however its separators are written."""
    key = recorder_key(number)
    return session.scalar(select(Recorder).where(Recorder.key == key)) if key else None


def check_out(
    session: Session,
    recorder: Recorder,
    officer: Officer,
    by: Actor,
    *,
    at: dt.datetime | None = None,
    purpose: str = "",
    checkout_id: UUID | None = None,
) -> Checkout:
    """Hand a recorder to an officer at `at` (now, unless the ledger is typed in later).

    The same `checkout_id` for the same hand-out is one check-out, however the recorder stands by
    now. Raises AccessDenied, AlreadyCheckedOut, CheckoutOverlaps, Conflict, IdentifierReused,
    NaiveTime, InvalidInput.
    """
    lock(session, recorder)
    require(by, Act.RECORDER_CHECK_OUT, Reach(unit_ids=frozenset({recorder.unit_id})))
    at, given = _moment(at), at
    if checkout_id is not None and (known := session.get(Checkout, checkout_id)) is not None:
        return _same(known, recorder, officer, given)
    if recorder.status is not RecorderStatus.IN_USE:
        raise Conflict(f"{recorder.number} is not in use: {recorder.status.value}.")
    if officer.status is not OfficerStatus.ACTIVE:
        raise InvalidInput(f"{officer.name} is not on duty here any more.")
    if open_checkout(session, recorder.id) is not None:
        raise AlreadyCheckedOut(recorder=recorder.number)
    later = select(Checkout).where(Checkout.recorder_id == recorder.id, Checkout.checked_in_at > at)
    if session.scalar(later.limit(1)) is not None:
        raise CheckoutOverlaps(recorder=recorder.number)
    if given is not None and (since := books.so_since(session, recorder)) and given < since:
        raise InvalidInput(
            f"{recorder.number} is here, or in use again, since {timestamp(since)}: nothing is "
            "handed out before that any more."
        )
    checkout = Checkout(
        id=checkout_id,
        recorder_id=recorder.id,
        officer_id=officer.id,
        unit_id=officer.unit_id,
        checked_out_at=at,
        purpose=purpose,
    )
    session.add(checkout)
    session.flush()
    _note(session, Kind.RECORDER_CHECKED_OUT, checkout, by, at)
    return checkout


def check_in(
    session: Session, recorder: Recorder, by: Actor, *, at: dt.datetime | None = None
) -> Checkout:
    """Take a recorder back. Raises AccessDenied, NotCheckedOut, NaiveTime, InvalidInput."""
    lock(session, recorder)
    require(by, Act.RECORDER_CHECK_OUT, Reach(unit_ids=frozenset({recorder.unit_id})))
    at = _moment(at)
    checkout = open_checkout(session, recorder.id)
    if checkout is None:
        raise NotCheckedOut(recorder=recorder.number)
    if at < checkout.checked_out_at:
        raise InvalidInput("A recorder cannot come back before it went out.")
    checkout.checked_in_at = at
    session.flush()
    _note(session, Kind.RECORDER_CHECKED_IN, checkout, by, at)
    return checkout


def lock(session: Session, recorder: Recorder) -> None:
    """One change of a recorder or its ledger at a time, so that what is looked for stays true."""
    take_turn(session, recorder.id)  # before the row, as with every event of it
    session.refresh(recorder, with_for_update=True)


def _same(
    known: Checkout, recorder: Recorder, officer: Officer, at: dt.datetime | None
) -> Checkout:
    if (known.recorder_id, known.officer_id) != (recorder.id, officer.id) or (
        at is not None and known.checked_out_at != at
    ):
        raise IdentifierReused(checkout=str(known.id))
    return known


def _note(session: Session, kind: Kind, checkout: Checkout, by: Actor, at: dt.datetime) -> None:
    append(
        session,
        kind,
        checkout.recorder_id,
        by,
        checkout=str(checkout.id),
        officer=str(checkout.officer_id),
        at=timestamp(at),
    )


def _moment(at: dt.datetime | None) -> dt.datetime:
    if at is None:
        return clock.now()
    if at.tzinfo is None:
        raise NaiveTime()
    if at > clock.now() + _AHEAD:
        raise InvalidInput("A check-out cannot be in the future.")
    return at


def open_checkout(session: Session, recorder_id: UUID) -> Checkout | None:
    """The check-out that has not come back yet."""
    return session.scalar(
        select(Checkout).where(
            Checkout.recorder_id == recorder_id, Checkout.checked_in_at.is_(None)
        )
    )


def wearer_at(session: Session, recorder_id: UUID, moment: dt.datetime) -> Checkout | None:
    """The check-out that covers `moment`: from its start until, not including, its end."""
    return session.scalar(
        select(Checkout)
        .where(
            Checkout.recorder_id == recorder_id,
            Checkout.checked_out_at <= moment,
            or_(Checkout.checked_in_at.is_(None), Checkout.checked_in_at > moment),
        )
        .order_by(Checkout.checked_out_at.desc())
        .limit(1)
    )
