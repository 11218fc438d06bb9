"""Custody events as people read them: with the names of who acted and of the exhibit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from evidence.custody.kinds import Kind
from evidence.custody.reading import RecordedEvent, events_of
from evidence.exhibits.models import Exhibit
from evidence.people.actor import SYSTEM
from evidence.people.models import Officer


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One event, the actor's name where the bureau knows one, the exhibit's label if it is one."""

    event: RecordedEvent
    actor_name: str
    label: str


def timeline(
    session: Session, subject_ids: Iterable[UUID], kinds: Collection[Kind] = ()
) -> list[Entry]:
    """Every event about these subjects in the order of the log; of `kinds`, if some are named."""
    events = events_of(session, subject_ids, kinds)
    officers = _names(session, {e.actor_id for e in events if e.actor_type == "officer"})
    labels = _labels(session, {e.subject_id for e in events if e.subject_type == "exhibit"})
    return [
        Entry(
            event=event,
            actor_name=SYSTEM.name
            if event.actor_id == SYSTEM.id
            else officers.get(event.actor_id, ""),
            label=labels.get(event.subject_id, ""),
        )
        for event in events
    ]


def _names(session: Session, ids: set[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Officer.id, Officer.name).where(Officer.id.in_(ids)))
    return {row.id: row.name for row in rows}


def _labels(session: Session, ids: set[UUID]) -> dict[UUID, str]:
    rows = session.execute(select(Exhibit.id, Exhibit.label).where(Exhibit.id.in_(ids)))
    return {row.id: row.label for row in rows}


def digests_agree(exhibits: Sequence[Exhibit]) -> bool:
    """Whether what the source claimed, what arrived and what was read back are one, for all.

    A claim or a receipt that was never made is no disagreement; no exhibit at all is no agreement.
    """
    return bool(exhibits) and all(
        claim in (None, exhibit.sha256_read_back)
        for exhibit in exhibits
        for claim in (exhibit.sha256_claim, exhibit.sha256_received)
    )
