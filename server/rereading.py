"""The worker's reading again of every original, spread over the configured period."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from uuid import UUID

from flask import current_app

from evidence.errors import NotFound, StorageError
from evidence.exhibits import fixity
from evidence.exhibits.fixity import Pace, Sealed
from evidence.exhibits.models import Exhibit, Fixity
from server import troubles
from server.config import Settings
from server.extensions import db, store
from server.unit_of_work import unit_of_work

log = logging.getLogger(__name__)

# An original that could not be dealt with gives way to others for so long, or for two turns; and so
# many do at once.
_LATER_SECONDS = 3600
_MOST_LATER = 20


def settings() -> Settings:
    found: Settings = current_app.extensions["zhenglian"]["settings"]
    return found


class Rereading:
    """Whose turn it is, and when. `wait` pauses for seconds, and says whether to give up."""

    def __init__(self, wait: Callable[[float], bool]) -> None:
        self._wait = wait
        self._last = float("-inf")
        self._later: dict[UUID, float] = {}

    def run_once(self) -> int:
        """Read the original whose turn it is, if one is due. How many were read."""
        session = db.session()
        interval = fixity.interval(session, settings().fixity_period).total_seconds()
        now = time.monotonic()
        self._later = {one: until for one, until in self._later.items() if until > now}
        original = fixity.oldest(session, self._later) if now >= self._last + interval else None
        session.rollback()
        if original is None:
            return 0
        self._last = time.monotonic()
        try:
            check_now(original, _at_most(settings().fixity_rate, self._wait))
        except StorageError:
            # One that cannot be set aside would be the oldest for ever, and no other be read.
            if len(self._later) < _MOST_LATER:
                self._later[original.exhibit_id] = now + max(_LATER_SECONDS, 2 * interval)
            raise
        troubles.forget("read_again", original.exhibit_id)  # whoever asked for it has it, too
        return 1


class GivenUp(Exception):
    """The worker ends; the reading is begun again by the next."""


def _at_most(rate: int, wait: Callable[[float], bool]) -> Pace:
    """A pace of `rate` bytes a second. Raises GivenUp."""
    began, read = time.monotonic(), 0

    def pace(count: int) -> None:
        nonlocal read
        read += count
        ahead = read / rate - (time.monotonic() - began)
        if ahead > 0 and wait(ahead):
            raise GivenUp

    return pace


def check_now(original: Sealed, pace: Pace = lambda _: None) -> Fixity:
    """Read one original again, and write down what is found. Raises StorageUnavailable."""
    found = fixity.read_again(store(), original, pace, sm3=settings().sm3)
    with unit_of_work() as session:
        fixity.record(session, store(), original, found)
    if found.fixity is Fixity.INTACT:
        _lock_again(original)
    else:
        log.critical("the original of %s is %s", original.exhibit_id, found.fixity.value)
    return found.fixity


def _lock_again(original: Sealed) -> None:
    """What is still in the register stays locked; where that fails, its next reading tries it."""
    try:
        store().lock_again(original.sha256)
    except StorageError as error:
        log.error("the original of %s could not be locked anew: %s", original.exhibit_id, error)


def lock_quarantined() -> int:
    """What was set aside is not read again: its lock begins anew all the same. How many had it."""
    locked = 0
    for exhibit_id in store().quarantined():
        try:
            store().lock_quarantined(exhibit_id)
            locked += 1
        except StorageError as error:
            log.error("%s, set aside, could not be locked anew: %s", exhibit_id, error)
    return locked


def check_exhibit(exhibit_id: UUID) -> Fixity:
    """The same of one exhibit that somebody asks for. Raises NotFound, StorageUnavailable."""
    session = db.session()
    exhibit = session.get(Exhibit, exhibit_id)
    if exhibit is None:
        raise NotFound
    original = fixity.sealed(session, exhibit)
    session.rollback()
    return check_now(original)
