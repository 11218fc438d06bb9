"""Looking at an exhibit, playing it, downloading it: each is an event, before a byte is served.

A player asks for a recording in dozens of ranges, and an event for each would bury the log. So
one actor's playing of one exhibit is one event in PLAYED_AGAIN_AFTER. Downloads are not folded:
every request that carries bytes of a download is one event, whatever range it asks for.

A signed URL that plays is never good for longer than the event that covers it says.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence import clock
from evidence.custody.append import append
from evidence.custody.kinds import Kind
from evidence.custody.models import CustodyEvent
from evidence.errors import AccessDenied, ExhibitQuarantined
from evidence.exhibits.models import Exhibit, ExhibitState
from evidence.exhibits.reach import reach_of
from evidence.people import access
from evidence.people.access import Act, Scope
from evidence.people.actor import Actor
from evidence.turns import take_turn

PLAYED_AGAIN_AFTER = dt.timedelta(minutes=10)
# A player begins with several requests at once.
AT_ONCE = dt.timedelta(seconds=5)


def record_view(session: Session, exhibit: Exhibit, by: Actor) -> None:
    """Somebody looked at the exhibit's page or record. Raises AccessDenied."""
    access.require(by, Act.EXHIBIT_VIEW, reach_of(exhibit))
    append(session, Kind.EXHIBIT_VIEWED, exhibit.id, by)


def record_play(
    session: Session, exhibit: Exhibit, by: Actor, url_seconds: int | None = None
) -> None:
    """Somebody plays it here, or by a signed URL good for so long; at once is one event.

    Raises AccessDenied, and ExhibitQuarantined.
    """
    access.require(by, Act.EXHIBIT_PLAY, reach_of(exhibit))
    if exhibit.state is ExhibitState.QUARANTINED:
        raise ExhibitQuarantined("A quarantined exhibit is not played.", label=exhibit.label)
    take_turn(session, exhibit.id)
    if playing_covered(session, exhibit, by) < PLAYED_AGAIN_AFTER - AT_ONCE:
        append(session, Kind.EXHIBIT_PLAYED, exhibit.id, by, **_by_url(url_seconds))


def _by_url(seconds: int | None) -> dict[str, Any]:
    return {} if seconds is None else {"url_seconds": seconds}


def playing_covered(session: Session, exhibit: Exhibit, by: Actor) -> dt.timedelta:
    """For how much longer an event that is there covers this actor's playing; 0 where none does."""
    now = clock.now()
    last = session.scalar(
        select(CustodyEvent.at)
        .where(
            CustodyEvent.subject_id == exhibit.id,
            CustodyEvent.kind == Kind.EXHIBIT_PLAYED.value,
            CustodyEvent.actor_id == by.id,
            CustodyEvent.at > now - PLAYED_AGAIN_AFTER,
            CustodyEvent.at <= now,
        )
        .order_by(CustodyEvent.position.desc())
        .limit(1)
    )
    return last + PLAYED_AGAIN_AFTER - now if last else dt.timedelta(0)


def record_download(
    session: Session, exhibit: Exhibit, by: Actor, url_seconds: int | None = None
) -> None:
    """Bytes leave the house, or a signed URL to them does.

    Quarantined ones only for who may download everything. Raises AccessDenied.
    """
    access.require(by, Act.EXHIBIT_DOWNLOAD, reach_of(exhibit))
    everything = access.scope(by, Act.EXHIBIT_DOWNLOAD) is Scope.ALL
    if exhibit.state is ExhibitState.QUARANTINED and not everything:
        raise AccessDenied("Quarantined bytes are for supervisor and archivist alone.")
    append(
        session,
        Kind.EXHIBIT_DOWNLOADED,
        exhibit.id,
        by,
        sha256=exhibit.sha256,
        **_by_url(url_seconds),
    )
