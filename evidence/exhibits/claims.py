"""What a source claims about a recording, and what a person should know about it. Pure.

A claim is never rewritten: it is read as far as it can be, and flagged where it is doubtful.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from evidence.clock import SHANGHAI
from evidence.exhibits.flags import Flag
from evidence.recorders import names

# A recorder's clock may run ahead by this much before anybody need look (GA/T 947: 3 s a day).
CLOCK_GRACE = dt.timedelta(seconds=3)
# Footage is to be stored within 24 hours after duty.
LATE_AFTER = dt.timedelta(hours=24)
# Outside of these no recorder was ever made, and a time near either end of the calendar cannot
# be told in every time zone.
_EARLIEST = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST = dt.datetime(9000, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The claims, read: an aware time or none, a recorder's number or nothing, and the doubts."""

    recorded_at: dt.datetime | None
    recorder: str
    flags: frozenset[Flag] = field(default_factory=frozenset)


def read(
    *, filename: str, recorder_claim: str, recorded_at_claim: str, received_at: dt.datetime
) -> Reading:
    """Read the claims of an upload that was received at `received_at` (aware)."""
    flags: set[Flag] = set()
    named = names.parse(filename)
    if named is None:
        flags.add(Flag.NAME_UNPARSED)
    if names.suspect(filename):
        flags.add(Flag.NAME_SUSPECT)
    recorded_at = _time(recorded_at_claim, flags)
    if recorded_at is None and named is not None:
        recorded_at = _in_utc(named.recorded_at)
        flags.discard(Flag.TIME_MISSING)
        if recorded_at is None:
            flags.add(Flag.TIME_UNREADABLE)
    if recorded_at is not None:
        if recorded_at > received_at + CLOCK_GRACE:
            flags.add(Flag.CLOCK_SUSPECT)
        elif received_at - recorded_at > LATE_AFTER:
            flags.add(Flag.LATE_UPLOAD)
    return Reading(
        recorded_at=recorded_at,
        recorder=recorder(filename, recorder_claim),
        flags=frozenset(flags),
    )


def recorder(filename: str, recorder_claim: str) -> str:
    """The number of the recorder, as the source says it or else the name; nothing if neither."""
    named = names.parse(filename)
    return recorder_claim.strip() or (named.device if named else "")


def _time(claim: str, flags: set[Flag]) -> dt.datetime | None:
    if not claim.strip():
        flags.add(Flag.TIME_MISSING)
        return None
    try:
        claimed = dt.datetime.fromisoformat(claim.strip())
    except ValueError:
        flags.add(Flag.TIME_UNREADABLE)
        return None
    naive = claimed.tzinfo is None
    read_at = _in_utc(claimed.replace(tzinfo=SHANGHAI) if naive else claimed)
    if read_at is None:
        flags.add(Flag.TIME_UNREADABLE)
    elif naive:
        flags.add(Flag.TIME_NAIVE)
    return read_at


def _in_utc(claimed: dt.datetime) -> dt.datetime | None:
    try:
        moment = claimed.astimezone(dt.UTC)
    except OverflowError:
        return None
    return moment if _EARLIEST <= moment < _LATEST else None
